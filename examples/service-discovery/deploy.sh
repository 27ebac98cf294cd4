#!/usr/bin/env bash
# The script of ../nlb-service with this example's infrastructure and input.
set -euo pipefail

if [[ -n ${CLIENTS_CIDR:-} || -n ${TESTERS_CIDR:-} ]]; then
  echo "CLIENTS_CIDR and TESTERS_CIDR are for load balancers: an HTTP API admits every address" >&2
  exit 2
fi

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
EXAMPLE=$here NAME=${NAME:-service-discovery} exec "$here/../nlb-service/deploy.sh" "$@"
