/** What the server answered to one operation. `status` 0: nothing. @typedef {{ status: number, data?: any, errors?: any[] }} Answer */

/**
 * Asks the graph by POST.
 * @param {string | null} token
 * @returns {Promise<Answer>} never rejects: an answer that is no GraphQL, or none, is an error in it
 */
export async function ask(token, query, variables = {}, operationName = undefined) {
  try {
    const response = await fetch("graphql", {
      method: "POST",
      headers: { "content-type": "application/json", ...(token !== null && { authorization: `Bearer ${token}` }) },
      body: JSON.stringify({ query, variables, operationName }),
    });
    const answer = await response.json().catch(() => ({}));
    const isGraphql = "data" in answer || Array.isArray(answer.errors);
    const failure = { message: answer.detail ?? `The server answered ${response.status} without GraphQL` };
    return { status: response.status, ...(isGraphql ? answer : { errors: [failure] }) };
  } catch {
    return { status: 0, errors: [{ message: `${location.host} does not answer` }] };
  }
}

/** The messages of an answer's errors, each once. */
export const messagesOf = ({ errors = [] }) => [...new Set(errors.map((error) => error.message))].join("; ");
