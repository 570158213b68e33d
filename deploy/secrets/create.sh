#!/bin/sh
# Creates what is missing of the installation's secrets, each in the volume of the services that use it. Runs before them at each
# `docker compose up`; an existing secret stays. A volume is mounted by its services only, whose users differ, so all of them may
# read its files; the key between roles has one user. First refuses what .env says in vain: `up` then starts no service.
set -eu
dir=${1:-/secrets}
# Names every setting, in the form of .env.
settings=$2

refuse() {
    echo "$1 has no effect with docker compose. $2" >&2
    exit 1
}
test -z "${METRLY_DATABASE_URL:-}" ||
    refuse METRLY_DATABASE_URL "Each service has its own database: METRLY_BILLING_DATABASE_URL etc. (.env.example)."
test -z "${METRLY_DATABASE_PASSWORD:-}" ||
    refuse METRLY_DATABASE_PASSWORD "Passwords are created at the first start: remove it (docs/operations.md, Upgrades)."

# Values are not repeated: one may be a secret. The last four are of the command line.
unknown=$(sed -n 's/^\(METRLY_[A-Z_]*\)=.*/\1/p' "$settings" | awk '
    { known[$0] }
    END {
        split("METRLY_URL METRLY_TOKEN METRLY_KEY METRLY_API_KEY", clients)
        for (n in clients) known[clients[n]]
        for (name in ENVIRON) if (toupper(name) ~ /^METRLY_/ && !(name in known)) print name
    }' | sort)
test -z "$unknown" || {
    for name in $unknown; do echo "$name in .env is no setting of Metrly: .env.example lists all settings." >&2; done
    exit 1
}

random() {
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n'
}

# write FILE MODE: standard input, whole or not at all.
write() {
    rm -f "$1.new"
    (umask 077 && cat > "$1.new")
    chmod "$2" "$1.new"
    mv "$1.new" "$1"
}

test -s "$dir/internal/key" || random | write "$dir/internal/key" 400

for service in tenancy ingestion quota billing notification; do
    test -s "$dir/$service-db/password" || random | write "$dir/$service-db/password" 444
done

# Kafka reads its users from properties (FileConfigProvider).
test -s "$dir/kafka/password" || random | write "$dir/kafka/password" 444
printf 'jaas=org.apache.kafka.common.security.plain.PlainLoginModule required user_metrly="%s";\n' \
    "$(cat "$dir/kafka/password")" | write "$dir/kafka/broker.properties" 444

# Redis gets a hash. Without a password, a client may only ask whether Redis is there.
test -s "$dir/redis/password" || random | write "$dir/redis/password" 444
hash=$(tr -d '\n' < "$dir/redis/password" | sha256sum | cut -d ' ' -f 1)
printf 'user default on nopass -@all +ping\nuser metrly on #%s ~* &* +@all\n' "$hash" | write "$dir/redis/users.acl" 444
