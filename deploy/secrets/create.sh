#!/bin/sh
# Creates what is missing of the installation's secrets, each in the volume of the services that use it. Runs before them at each
# `docker compose up`; an existing secret stays. A volume is mounted by its services only, whose users differ, so all of them may
# read its files; the key between roles has one user. First refuses names in .env that are no settings: `up` then starts nothing more.
set -eu
dir=$1
# With .env.example and perhaps .env.
project=$2

refuse() {
    echo "$1 has no effect with docker compose. $2" >&2
    exit 1
}
test -z "${METRLY_DATABASE_URL:-}" ||
    refuse METRLY_DATABASE_URL "Each service has its own database: METRLY_BILLING_DATABASE_URL etc. (.env.example)."
test -z "${METRLY_DATABASE_PASSWORD:-}" ||
    refuse METRLY_DATABASE_PASSWORD "Passwords are created at the first start: remove it (docs/operations.md, Upgrades)."

# names FILE: of the variables that a file in the form of .env sets. A quoted value may have several lines.
names() {
    awk '
        function ends(text,  i, c) {
            for (i = 1; i <= length(text); i++) {
                c = substr(text, i, 1)
                if (c == "\\" && quote == "\"") i++
                else if (c == quote) return 1
            }
            return 0
        }
        quote != "" { if (ends($0)) quote = ""; next }
        match($0, /^[ \t]*(export[ \t]+)?[A-Za-z_][^ \t=:]*[ \t]*[=:]/) {
            name = substr($0, 1, RLENGTH - 1)
            value = substr($0, RLENGTH + 1)
            sub(/^[ \t]*(export[ \t]+)?/, "", name)
            sub(/[ \t]+$/, "", name)
            sub(/^[ \t]+/, "", value)
            quote = substr(value, 1, 1)
            if ((quote != "\"" && quote != "\047") || ends(substr(value, 2))) quote = ""
            print name
        }' "$1"
}

# Values are not repeated: one may be a secret. Four names are of the command line.
if test -e "$project/.env" && { ! test -r "$project/.env" || ! test -r "$project/.env.example"; }; then
    echo "The names in .env are not checked: this service cannot read .env and .env.example." >&2
elif test -e "$project/.env"; then
    known=$(names "$project/.env.example")
    used=$(names "$project/.env")
    unknown=$(printf '%s\n' METRLY_URL METRLY_TOKEN METRLY_KEY METRLY_API_KEY "$known" "" "$used" | awk '
        $0 == "" { isUsed = 1 }
        !isUsed { known[$0] }
        isUsed && toupper($0) ~ /^METRLY_/ && !($0 in known) && !said[$0]++')
    test -z "$unknown" || {
        for name in $unknown; do echo "$name in .env is no setting of Metrly: .env.example lists all settings." >&2; done
        exit 1
    }
fi

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
