import "reflect-metadata";
import { ArgsType, type ClassType, Directive, Field, Int, ObjectType } from "type-graphql";
import { DEFAULT_PAGE_SIZE, type Page } from "./pagination.js";
import { CursorScalar } from "./scalars.js";

/** The arguments of every paged field. */
@ArgsType()
export class PageArguments {
  @Field(() => Int, { nullable: true, defaultValue: DEFAULT_PAGE_SIZE })
  declare readonly first: number | null;

  @Field(() => CursorScalar, { nullable: true })
  declare readonly after: string | null | undefined;
}

@Directive("@shareable")
@ObjectType("PageInfo")
class PageInfoType {
  @Field(() => Boolean) declare readonly hasNextPage: boolean;
  @Field(() => CursorScalar, { nullable: true }) declare readonly endCursor: string | null;
}

/** The page type of a node type. */
export function connectionType<Node extends object>(name: string, node: ClassType<Node>): ClassType<Page<Node>> {
  @ObjectType(name)
  class Connection {
    @Field(() => [node]) declare readonly nodes: readonly Node[];
    @Field(() => PageInfoType) declare readonly pageInfo: PageInfoType;
  }
  return Connection;
}
