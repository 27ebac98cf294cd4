#!/usr/bin/env bash
# The script of ../nlb-service with this example's two services: deploy.sh 1 deploys both, deploy.sh chat 2 one.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
services="chat users"
if [[ ${1:-} == chat || ${1:-} == users ]]; then
  services=$1
  shift
  # The infrastructure is the other one's, too.
  [[ ${1:-} != --destroy ]] || { echo "--destroy takes both services down: deploy.sh --destroy" >&2; exit 2; }
fi
EXAMPLE=$here SERVICES=$services NAME=${NAME:-alb-service} exec "$here/../nlb-service/deploy.sh" "$@"
