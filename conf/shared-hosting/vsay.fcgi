#!/bin/sh
# SPDX-License-Identifier: MIT
# Starts a process of vsay, which stays for many requests.

vsay=/home/USER/vsay                  # the directory with vsay-api; outside of the web root
export VSAY_API_PREFIX=/vsay.fcgi     # the path of this file in an URL

export VSAY_CONF="$vsay/vsay.conf"
export LD_LIBRARY_PATH="$vsay/lib"
export MARIADB_PLUGIN_DIR="$vsay/lib/plugin"
# A process has one request at a time, and needs no more threads than that.
export VSAY_API_IO_THREADS=1 VSAY_API_DB_WORKERS=1
exec "$vsay/vsay-api"
