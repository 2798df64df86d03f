#!/bin/sh
# SPDX-License-Identifier: MIT
# Starts vsay for one request. It does not pass arguments on: they are words of the query string.

vsay=/home/USER/vsay # the directory with vsay-api; outside of the web root

export VSAY_CONF="$vsay/vsay.conf"
export VSAY_API_PREFIX="$SCRIPT_NAME" # what the web server puts before /api
export LD_LIBRARY_PATH="$vsay/lib"
export MARIADB_PLUGIN_DIR="$vsay/lib/plugin"
exec "$vsay/vsay-api"
