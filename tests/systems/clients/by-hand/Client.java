// CloudEvents' Java SDK against a running Metrly: see CONTRIBUTING.md, Clients. Java 17 or later; the SDK writes no batches over HTTP.
// In binary mode it does not percent-encode, against the specification: attributes with a percent sign need structured mode.
//
//	mvn -f tests/systems/clients/by-hand/pom.xml dependency:copy-dependencies -DoutputDirectory=/tmp/cloudevents
//	java -cp "/tmp/cloudevents/*" tests/systems/clients/by-hand/Client.java URL KEY TENANT TYPE

import io.cloudevents.CloudEvent;
import io.cloudevents.core.builder.CloudEventBuilder;
import io.cloudevents.http.HttpMessageFactory;
import io.cloudevents.jackson.JsonFormat;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.time.OffsetDateTime;
import java.util.UUID;

public class Client {
  static boolean failed = false;

  static void check(boolean holds, String what, Object saw) {
    failed |= !holds;
    System.out.println(holds ? "holds  " + what : "FAILS  " + what + " (saw " + saw + ")");
  }

  public static void main(String[] args) throws Exception {
    String url = args[0], key = args[1], tenant = args[2], type = args[3];
    for (String mode : new String[] {"binary", "structured"}) {
      CloudEvent event = CloudEventBuilder.v1()
          .withId("java " + mode + " " + UUID.randomUUID())
          .withSource(URI.create("https://example.com/app?a=b%20c"))
          .withType(type)
          .withSubject(tenant)
          .withTime(OffsetDateTime.now())
          .withData("application/json", "{\"region\":\"eu\"}".getBytes(StandardCharsets.UTF_8))
          .build();
      HttpRequest.Builder request =
          HttpRequest.newBuilder(URI.create(url + "/v1/events")).header("Authorization", "Bearer " + key);
      var writer = HttpMessageFactory.createWriter(
          request::header, body -> request.POST(body == null ? BodyPublishers.noBody() : BodyPublishers.ofByteArray(body)));
      if (mode.equals("binary")) writer.writeBinary(event);
      else writer.writeStructured(event, new JsonFormat());
      HttpResponse<String> answer = HttpClient.newHttpClient().send(request.build(), BodyHandlers.ofString());
      check(answer.statusCode() == 202, "cloudevents in " + mode + " mode is accepted", answer.statusCode() + " " + answer.body());
    }
    System.exit(failed ? 1 : 0);
  }
}
