// CloudEvents' Go SDK and the Standard Webhooks library against a running Metrly: see CONTRIBUTING.md, Clients.
//
//	go mod init try && go mod tidy && go run main.go URL KEY TENANT TYPE
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

var failed bool

func check(holds bool, what string, saw any) {
	if holds {
		fmt.Println("holds ", what)
		return
	}
	failed = true
	fmt.Println("FAILS ", what, saw)
}

func main() {
	url, key, tenant, eventType := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	client, err := cloudevents.NewClientHTTP(cloudevents.WithTarget(url+"/v1/events"), cloudevents.WithHeader("Authorization", "Bearer "+key))
	if err != nil {
		panic(err)
	}
	newEvent := func(name string) cloudevents.Event {
		event := cloudevents.NewEvent()
		event.SetID("go " + name + time.Now().String())
		event.SetSource("https://example.com/app?a=b%20c")
		event.SetType(eventType)
		event.SetSubject(tenant)
		event.SetTime(time.Now())
		if err := event.SetData(cloudevents.ApplicationJSON, map[string]string{"region": "eu"}); err != nil {
			panic(err)
		}
		return event
	}
	for _, mode := range []string{"binary", "structured"} {
		event := newEvent(mode)
		ctx := context.Background()
		if mode == "binary" {
			ctx = cloudevents.WithEncodingBinary(ctx)
		} else {
			ctx = cloudevents.WithEncodingStructured(ctx)
		}
		result := client.Send(ctx, event)
		var answer *cehttp.Result
		ok := cloudevents.ResultAs(result, &answer) && answer.StatusCode == http.StatusAccepted
		check(ok, "cloudevents in "+mode+" mode is accepted", result)
	}
	batch, err := cehttp.NewHTTPRequestFromEvents(context.Background(), url+"/v1/events", []cloudevents.Event{newEvent("one"), newEvent("two")})
	if err != nil {
		panic(err)
	}
	batch.Header.Set("Authorization", "Bearer "+key)
	answer, err := http.DefaultClient.Do(batch)
	check(err == nil && answer.StatusCode == http.StatusAccepted, "cloudevents in a batch are accepted", err)
	webhook, err := standardwebhooks.NewWebhook("whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	check(err == nil, "standardwebhooks takes a secret", err)
	now, body := time.Now(), []byte(`{"type":"quota.exceeded"}`)
	signature, _ := webhook.Sign("msg_1", now, body)
	headers := http.Header{}
	headers.Set("webhook-id", "msg_1")
	headers.Set("webhook-timestamp", fmt.Sprint(now.Unix()))
	headers.Set("webhook-signature", signature)
	check(webhook.Verify(body, headers) == nil, "standardwebhooks verifies", "")
	if failed {
		os.Exit(1)
	}
}
