import "reflect-metadata";
import { ArgsType, type ClassType, Directive, Field, Int, ObjectType } from "type-graphql";
import { DEFAULT_PAGE_SIZE, type Page } from "./pagination.js";
import { CursorScalar } from "./scalars.js";

/** The arguments of every paged field. */
@ArgsType()
export class PageArguments {
  @Field(() => Int, {
    nullable: true,
    defaultValue: DEFAULT_PAGE_SIZE,
    description: "Number of items on the page, 1 to 200",
  })
  declare readonly first: number | null;

  @Field(() => CursorScalar, {
    nullable: true,
    description: "The `endCursor` of the page before; default: the first page",
  })
  declare readonly after: string | null | undefined;
}

@Directive("@shareable")
@ObjectType("PageInfo", { description: "Where a page ends" })
class PageInfoType {
  @Field(() => Boolean, { description: "Whether there are more" }) declare readonly hasNextPage: boolean;
  @Field(() => CursorScalar, { nullable: true, description: "For `after` of the next page; null: the page is empty" })
  declare readonly endCursor: string | null;
}

/** The page type of a node type. */
export function connectionType<Node extends object>(name: string, node: ClassType<Node>): ClassType<Page<Node>> {
  @ObjectType(name, { description: "A page of a list" })
  class Connection {
    @Field(() => [node], { description: "The items of this page" }) declare readonly nodes: readonly Node[];
    @Field(() => PageInfoType, { description: "Where it ends, and whether there are more" })
    declare readonly pageInfo: PageInfoType;
  }
  return Connection;
}
