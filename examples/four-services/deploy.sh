#!/usr/bin/env bash
# Creates or updates the stacks of four services, and has Ebbtide deploy a version of them in order.
set -euo pipefail

usage() {
  cat <<'USAGE'
usage: deploy.sh VERSION [PARAMETER=VALUE...]
       deploy.sh --destroy

Deploys the two stacks, fills in services.json, and has Ebbtide deploy the four services; waits for the end.
The parameters are those of services.yaml: AppTag=11.3.5. What is not given stays as it is.
--destroy takes all of it down again, with the database's files, but not Ebbtide.

From the environment:
  NAME             what the stacks are called (shop)
  EBBTIDE_STACK    the stack that Ebbtide was installed as (ebbtide)
  INPUT_ONLY       1: deploys the stacks and prints the input, for `ebbtide deploy`; starts no deployment
  CLIENTS_CIDR     who may connect to port 80 (0.0.0.0/0: everybody)
  TESTERS_CIDR     who may connect to port 8080, the UI's test listener (10.0.0.0/16: the VPC)
  ZONE_A, ZONE_B   Availability Zones of the two subnets (the region's first two)
  POLL_SECONDS     how often to check the execution (10)
and what the AWS CLI reads: AWS_PROFILE, AWS_REGION, …
USAGE
}

# A command that fails inside of $( ) ends the script as well.
shopt -s inherit_errexit 2>/dev/null || { echo "bash is older than 4.4" >&2; exit 1; }

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
name=${NAME:-shop}
infrastructure=$name-infrastructure
ebbtide=${EBBTIDE_STACK:-ebbtide}
poll=${POLL_SECONDS:-10}
export AWS_PAGER=""

say() { printf '== %s\n' "$*" >&2; }

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

# Name and value of each output of a stack, a line each.
outputs() {
  aws cloudformation describe-stacks --stack-name "$1" --output text \
    --query 'Stacks[0].Outputs[].[OutputKey, OutputValue]'
}

output() {
  local value
  value=$(outputs "$1" | sed -nE "s/^$2[[:space:]]+//p")
  [[ -n $value ]] || fail "stack $1 has no output $2"
  printf '%s' "$value"
}

deploy_stack() {
  local stack=$1 template=$2
  shift 2
  say "stack $stack (the first time takes some minutes)"
  (($# == 0)) || set -- --parameter-overrides "$@"
  aws cloudformation deploy --stack-name "$stack" --template-file "$here/$template" \
    --capabilities CAPABILITY_IAM --no-fail-on-empty-changeset "$@" >&2
}

# services.json with the stacks' outputs filled in.
input() {
  local text key value
  text=$(<"$here/services.json")
  while read -r key value; do
    text=${text//"\${$key}"/"$value"}
  done < <(outputs "$infrastructure" && outputs "$name")
  [[ $text != *"\${"* ]] || fail "the stacks do not have all outputs that the input names: $text"
  printf '%s\n' "$text"
}

deploy() {
  local version=$1 parameters=() given machine execution status
  shift
  # Ebbtide first: without it, the stacks would cost money for nothing.
  [[ -n ${INPUT_ONLY:-} ]] || machine=$(output "$ebbtide" ServicesStateMachineLiveArn)
  [[ -z ${CLIENTS_CIDR:-} ]] || parameters+=("ClientsCidr=$CLIENTS_CIDR")
  [[ -z ${TESTERS_CIDR:-} ]] || parameters+=("TestersCidr=$TESTERS_CIDR")
  [[ -z ${ZONE_A:-} ]] || parameters+=("ZoneA=$ZONE_A")
  [[ -z ${ZONE_B:-} ]] || parameters+=("ZoneB=$ZONE_B")
  deploy_stack "$infrastructure" infrastructure.yaml "${parameters[@]}"
  deploy_stack "$name" services.yaml "Infrastructure=$infrastructure" "Version=$version" "$@"
  given=$(input)
  printf '%s\n' "$given"
  [[ -z ${INPUT_ONLY:-} ]] || return 0

  execution=$(aws stepfunctions start-execution --state-machine-arn "$machine" --input "$given" \
    --name "$name-${version//./-}-$(date -u +%Y%m%dT%H%M%SZ)" --query executionArn --output text)
  say "waiting for $execution (it goes on without this script)"
  while status=$(aws stepfunctions describe-execution --execution-arn "$execution" --query status --output text) &&
    [[ $status == RUNNING ]]; do
    sleep "$poll"
  done
  aws stepfunctions describe-execution --execution-arn "$execution" --query '[error, cause, output]' --output text >&2
  [[ $status == SUCCEEDED ]] || fail "the deployment ended as $status"
  say "version $version is in service: http://$(output "$infrastructure" DnsName)/"
}

# Ids of the task sets of a service: all, or those that a filter leaves.
task_sets() {
  aws ecs describe-services --cluster "$1" --services "$2" --output text --query "services[].taskSets[${3:-}][].id"
}

delete_stack() {
  say "deleting stack $1"
  aws cloudformation delete-stack --stack-name "$1"
  aws cloudformation wait stack-delete-complete --stack-name "$1"
}

destroy() {
  local cluster service id revision
  if outputs "$name" >/dev/null 2>&1; then
    cluster=$(output "$infrastructure" Cluster)
    for service in "$name-ui" "$name-app" "$name-cache" "$name-db"; do
      say "the task sets of service $service"
      # Everything is deleted, with its connections: nothing is drained.
      for id in $(task_sets "$cluster" "$service" "?status!='DRAINING'"); do
        aws ecs delete-task-set --cluster "$cluster" --service "$service" --task-set "$id" --force >/dev/null
      done
      for _ in {1..120}; do
        [[ -n $(task_sets "$cluster" "$service") ]] || break
        sleep "$poll"
      done
    done
    delete_stack "$name"
    # The revisions that updates of the stack left.
    for service in "$name-ui" "$name-app" "$name-cache" "$name-db"; do
      for revision in $(aws ecs list-task-definitions --family-prefix "$service" --status ACTIVE \
        --query 'taskDefinitionArns[]' --output text); do
        [[ $revision == None ]] || aws ecs deregister-task-definition --task-definition "$revision" >/dev/null
      done
    done
  fi
  delete_stack "$infrastructure"
}

[[ $name =~ ^[A-Za-z][A-Za-z0-9-]{0,19}$ ]] || fail "NAME is $name; allowed: at most 20 letters, digits and -"
for tool in aws sed; do
  command -v "$tool" >/dev/null || fail "$tool is not installed; it is needed here"
done
case ${1:-} in
  -h | --help) usage ;;
  --destroy) (($# == 1)) || { usage >&2; exit 2; }; destroy ;;
  "" | -*) usage >&2; exit 2 ;;
  *)
    [[ $1 =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,39}$ ]] ||
      { echo "VERSION is $1; allowed: at most 40 letters, digits, _ . and -, not starting with . or -" >&2; exit 2; }
    deploy "$@"
    ;;
esac
