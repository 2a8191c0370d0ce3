#!/bin/sh
# nginx with a server list from Consul: at each change, `consul watch` renders the list and reloads nginx.
# nginx-reloaded.sh NGINX CONFIGURATION JQ CONSUL ADDRESS SERVICE; `consul watch` runs it with --render.
set -e
nginx=$1 config=$2 jq=$3 consul=$4 address=$5 service=$6
directory=$(dirname "$config")
servers=$directory/servers.conf

none="server 127.0.0.1:9 down;" # nginx rejects an empty list

if [ "$7" = --render ]; then
    "$jq" -r '.[].Service | "server \(.Address):\(.Port);"' > "$servers.new"
    [ -s "$servers.new" ] || echo "$none" > "$servers.new"
    mv "$servers.new" "$servers"
    exec "$nginx" -p "$directory" -c "$config" -s reload
fi
echo "$none" > "$servers"
"$nginx" -p "$directory" -c "$config" &
serving=$!
until [ -s "$directory/nginx.pid" ]; do sleep 0.01; done
"$consul" watch -http-addr="$address" -type=service -service="$service" -passingonly=true "$0" "$@" --render &
trap 'kill $serving $!' TERM
wait
