#!/bin/sh
# nginx, whose list of servers `consul watch` renders anew at each change, and which is then reloaded.
# nginx-reloaded.sh NGINX CONFIGURATION JQ CONSUL ADDRESS SERVICE; as handler of the watch, with --render.
set -e
nginx=$1 config=$2 jq=$3 consul=$4 address=$5 service=$6
directory=$(dirname "$config")
servers=$directory/servers.conf

none="server 127.0.0.1:9 down;" # nginx refuses a list without servers

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
