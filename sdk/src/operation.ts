/** The text of a GraphQL operation, with the types of its result and variables. Plain text works too, without types. */
export type Operation<Result, Variables> = string & { readonly types?: (variables: Variables) => Result };
