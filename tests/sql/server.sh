# shellcheck shell=bash
# A PostgreSQL server of one's own: source it, then
#     server_start PG_CONFIG EXTENSION_BUILD FOLDER [SETTING...]
#     sql [PSQL OPTION...] ...
# where $here is tests/sql. It lives in FOLDER, on a Unix socket there and no port, as an unprivileged user, with a copy of the
# installed server beside which the extension is installed: nothing of the system changes.

# The user that the server runs as: root may not.
server_user() {
    if [ "$(id -u)" = 0 ]; then
        id -u postgres >/dev/null 2>&1 && echo postgres || echo nobody
    else
        id -un
    fi
}

as_user() {
    if [ "$(id -u)" = 0 ]; then
        setpriv --reuid "$server_name" --regid "$(id -g "$server_name")" --clear-groups env HOME="$server" LD_LIBRARY_PATH="$server/lib" "$@"
    else
        "$@"
    fi
}

# The server finds its files relative to its program, so a copy of the program has its own.
server_install() {
    local pg_config=$1 build=$2 bin share lib
    bin=$("$pg_config" --bindir) share=$("$pg_config" --sharedir) lib=$("$pg_config" --pkglibdir)
    server_bin=$server/root$bin
    mkdir -p "$server_bin" "$server/root$share" "$server/root$lib"
    cp "$bin"/{postgres,initdb,pg_ctl,psql} "$server_bin"
    cp -rs "$share"/. "$server/root$share"
    cp -rs "$lib"/. "$server/root$lib" 2>/dev/null || true # the programs are there already
    make -s -C "$build" -f "${here:?}/../../ext/postgres/Makefile" PG_CONFIG="$pg_config" DESTDIR="$server/root" \
        CAFACE_CFLAGS= CAFACE_LIBS= install >"$server/install.log" 2>&1 || {
        cat "$server/install.log" >&2
        return 1
    }
    # of the folder that it was built in the server's user may see nothing
    mkdir -p "$server/lib"
    ldd "$server/root$lib/caface.so" | awk '$1 ~ /^libcaface/ && $3 ~ /^\// { print $3 }' | xargs -r cp -L -t "$server/lib"
    chmod -R a+rX "$server/lib"
}

server_start() {
    local pg_config=$1 build=$2
    server=$3
    shift 3
    server_name=$(server_user)
    mkdir -p "$server"
    server_install "$pg_config" "$build" || return 1
    mkdir -p "$server/socket"
    chmod 755 "$server"
    [ "$(id -u)" != 0 ] || chown "$server_name" "$server" "$server/socket"
    as_user "$server_bin/initdb" -D "$server/data" -U admin -A trust -E UTF8 --locale=C -N >"$server/initdb.log" 2>&1 || {
        cat "$server/initdb.log" >&2
        return 1
    }
    {
        echo "listen_addresses = ''"
        echo "unix_socket_directories = '$server/socket'"
        echo "fsync = off"
        echo "dynamic_shared_memory_type = mmap"
        echo "logging_collector = off"
        printf '%s\n' "$@"
    } >>"$server/data/postgresql.conf"
    as_user "$server_bin/pg_ctl" -D "$server/data" -w -t 120 -l "$server/log" start >"$server/start.log" 2>&1 || {
        cat "$server/start.log" "$server/log" >&2
        return 1
    }
}

server_stop() {
    [ -z "${server:-}" ] || ! [ -f "$server/data/postmaster.pid" ] ||
        as_user "$server_bin/pg_ctl" -D "$server/data" -m immediate -w stop >/dev/null 2>&1
}

# Unaligned, without names, one answer a line; stops at an error.
sql() {
    PGOPTIONS="${PGOPTIONS:-}" "$server_bin/psql" -X -q -A -t -v ON_ERROR_STOP=1 -v VERBOSITY=verbose -h "$server/socket" \
        -U "${sql_user:-admin}" -d "${sql_database:-postgres}" "$@"
}
