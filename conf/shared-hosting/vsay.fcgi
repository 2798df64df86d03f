#!/bin/sh
# SPDX-License-Identifier: MIT
# Starts a vsay process, which serves many requests.

vsay=/home/USER/vsay                  # the directory with vsay-api; outside of the web root
export VSAY_API_PREFIX=/vsay.fcgi     # the path of this file in an URL

export VSAY_CONF="$vsay/vsay.conf"
export LD_LIBRARY_PATH="$vsay/lib"
export MARIADB_PLUGIN_DIR="$vsay/lib/plugin"
# A process handles one request at a time, so it needs only one thread of each kind.
export VSAY_API_IO_THREADS=1 VSAY_API_DB_WORKERS=1
exec "$vsay/vsay-api"
