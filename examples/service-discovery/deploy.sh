#!/usr/bin/env bash
# The script of ../nlb-service with this example's infrastructure and input.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
EXAMPLE=$here NAME=${NAME:-service-discovery} exec "$here/../nlb-service/deploy.sh" "$@"
