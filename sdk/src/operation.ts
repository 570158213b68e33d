/** A GraphQL operation's text, with the types of what it answers and of its variables. Any other text will do, without types. */
export type Operation<Result, Variables> = string & { readonly types?: (variables: Variables) => Result };
