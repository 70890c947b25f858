#!/bin/sh
# The shop's front page: httpd runs it for every request of /.

orders=0
if [ -f "$SHOP_DATA/orders" ]; then orders=$(wc -l <"$SHOP_DATA/orders"); fi
schema=none
if [ -f "$SHOP_DATA/schema" ]; then schema=$(cat "$SHOP_DATA/schema"); fi
if [ "$SHOP_LOG_LEVEL" = debug ]; then echo "index: $orders orders, schema $schema" >&2; fi

printf 'Content-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n\r\n'
cat <<HTML
<!doctype html>
<title>Shop ($SHOP_ENVIRONMENT)</title>
<h1>$SHOP_GREETING</h1>
<p>environment: $SHOP_ENVIRONMENT</p>
<p>version: $SHOP_VERSION</p>
<p>schema: $schema</p>
<p>orders: $orders</p>
HTML
