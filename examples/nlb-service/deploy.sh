#!/usr/bin/env bash
# Brings a version of an example's services into service, from nothing if need be.
set -euo pipefail

usage() {
  cat <<'USAGE'
usage: deploy.sh VERSION [STATE_MACHINE_ARN]
       deploy.sh --destroy [STATE_MACHINE_ARN]

Deploys the infrastructure, builds and pushes the image of VERSION, registers it, and has Ebbtide deploy
it; waits for the end. Without STATE_MACHINE_ARN, Ebbtide's stack is asked for it.
--destroy takes all of it down again, but Ebbtide.

From the environment:
  NAME             what the stacks are called (the example's folder); two examples need two names
  EXAMPLE          the folder of another example's infrastructure.yaml and inputs
  SERVICES         the services of that example: each has the stack NAME-SERVICE and the input SERVICE.json
  EBBTIDE_STACK    the stack that Ebbtide was installed as (ebbtide)
  CLIENTS_CIDR     who may connect to port 80 (0.0.0.0/0: everybody)
  TESTERS_CIDR     who may reach the test listener (10.0.0.0/16: those in the VPC only)
  CHAT_HOST        the host that ../alb-service forwards to chat (chat.example.com)
  ZONE_A, ZONE_B   Availability Zones of the two subnets (the region's first two)
  POLL_SECONDS     how often to check the execution (10)
and what the AWS CLI reads: AWS_PROFILE, AWS_REGION, …
USAGE
}

# A command that fails inside of $( ) ends the script as well.
shopt -s inherit_errexit 2>/dev/null || { echo "bash is older than 4.4" >&2; exit 1; }

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
example=${EXAMPLE:-$here}
name=${NAME:-nlb-service}
# One without a name of its own, or several.
services=("")
[[ -z ${SERVICES:-} ]] || read -ra services <<<"$SERVICES"
infrastructure=$name-infrastructure
ebbtide=${EBBTIDE_STACK:-ebbtide}
poll=${POLL_SECONDS:-10}
export AWS_PAGER=""

say() { printf '== %s\n' "$*" >&2; }

fail() {
  printf '%s\n' "$*" >&2
  exit 1
}

need() {
  local tool
  for tool in "$@"; do
    command -v "$tool" >/dev/null || fail "$tool is not installed; it is needed here"
  done
  aws sts get-caller-identity --query Arn --output text >/dev/null ||
    fail "the AWS CLI has no credentials that work"
}

# The value of a stack's output.
output() {
  local value
  value=$(aws cloudformation describe-stacks --stack-name "$1" --output text \
    --query "Stacks[0].Outputs[?OutputKey=='$2'].OutputValue | [0]")
  [[ -n $value && $value != None ]] || fail "stack $1 has no output $2"
  printf '%s' "$value"
}

# Name and value of each output of a stack, a line each.
outputs() {
  aws cloudformation describe-stacks --stack-name "$1" --output text \
    --query 'Stacks[0].Outputs[].[OutputKey, OutputValue]'
}

# The value of an output that not every infrastructure has, or nothing.
output_if_any() { outputs "$infrastructure" | sed -nE "s/^$1[[:space:]]+//p"; }

stack_exists() {
  local printed
  if printed=$(aws cloudformation describe-stacks --stack-name "$1" 2>&1); then
    return 0
  fi
  [[ $printed == *"does not exist"* ]] && return 1
  fail "$printed"
}

deploy_infrastructure() {
  say "the infrastructure: stack $infrastructure (the first time takes some minutes)"
  # What is not given stays as it is.
  local parameters=()
  [[ -z ${CLIENTS_CIDR:-} ]] || parameters+=("ClientsCidr=$CLIENTS_CIDR")
  [[ -z ${TESTERS_CIDR:-} ]] || parameters+=("TestersCidr=$TESTERS_CIDR")
  [[ -z ${CHAT_HOST:-} ]] || parameters+=("ChatHost=$CHAT_HOST")
  [[ -z ${ZONE_A:-} ]] || parameters+=("ZoneA=$ZONE_A")
  [[ -z ${ZONE_B:-} ]] || parameters+=("ZoneB=$ZONE_B")
  ((${#parameters[@]} == 0)) || parameters=(--parameter-overrides "${parameters[@]}")
  aws cloudformation deploy --stack-name "$infrastructure" --template-file "$example/infrastructure.yaml" \
    --capabilities CAPABILITY_IAM --no-fail-on-empty-changeset "${parameters[@]}" >&2
}

push_image() {
  local version=$1 repository uri there
  repository=$(output "$infrastructure" RepositoryName)
  uri=$(output "$infrastructure" RepositoryUri)
  there=$(aws ecr list-images --repository-name "$repository" --output json \
    --query "imageIds[?imageTag=='$version'].imageTag | [0]")
  if [[ $there != null ]]; then
    say "the image: $uri:$version is there already, and a version never changes"
    return
  fi
  say "the image: building $uri:$version (the first time takes some minutes)"
  # linux/amd64 is what the task definition asks for.
  docker build --platform linux/amd64 --build-arg "VERSION=$version" --tag "$uri:$version" "$here/service" >&2
  say "the image: pushing it"
  aws ecr get-login-password | docker login --username AWS --password-stdin "${uri%%/*}" >&2
  docker push "$uri:$version" >&2
}

# The stack of a service.
stack_of() { printf '%s' "$name${1:+-$1}"; }

register_version() {
  local service=$1 stack url
  stack=$(stack_of "$service")
  local parameters=("Infrastructure=$infrastructure" "Version=$2")
  [[ -z $service ]] || parameters+=("Name=$service" "LogGroup=$service-LogGroup")
  # An infrastructure without it has no hook that asks tasks to send their clients away.
  url=$(output_if_any TasksUrl)
  [[ -z $url ]] || parameters+=("TasksUrl=$url")
  say "the service and version $2's task definition: stack $stack"
  aws cloudformation deploy --stack-name "$stack" --template-file "$here/service.yaml" \
    --no-fail-on-empty-changeset --parameter-overrides "${parameters[@]}" >&2
}

# The input of an execution: a file with the stacks' outputs filled in.
input() {
  local text key value
  text=$(<"$example/${1:-input}.json")
  while read -r key value; do
    text=${text//"\${$key}"/"$value"}
  done < <(outputs "$infrastructure" && outputs "$(stack_of "$1")")
  [[ $text != *"\${"* ]] || fail "the stacks do not have all outputs that the input names: $text"
  printf '%s\n' "$text"
}

# Starts an execution and prints its ARN.
start() {
  local machine=$1 service=$2 version=$3 given
  given=$(input "$service")
  say "the deployment: starting $machine with"
  printf '%s\n' "$given" >&2
  aws stepfunctions start-execution --state-machine-arn "$machine" --input "$given" \
    --name "$(stack_of "$service")-${version//./-}-$(date -u +%Y%m%dT%H%M%SZ)" --query executionArn --output text
}

# Waits for the end of an execution and prints its states. The state machine makes sure that
# there is an end.
wait_for() {
  local execution=$1 status state told=""
  say "the deployment: waiting for $execution (it goes on without this script)"
  while true; do
    status=$(aws stepfunctions describe-execution --execution-arn "$execution" --query status --output text)
    # JSON, for with text the CLI answers page by page.
    state=$(aws stepfunctions get-execution-history --execution-arn "$execution" --reverse-order \
      --max-items 20 --output json --query "events[].stateEnteredEventDetails.name | [0]")
    if [[ $state != null && $state != "$told" ]]; then
      say "$(date +%T) ${state//\"/}"
      told=$state
    fi
    [[ $status == RUNNING ]] || break
    sleep "$poll"
  done
  if [[ $status == SUCCEEDED ]]; then
    aws stepfunctions describe-execution --execution-arn "$execution" --query output --output text >&2
    return
  fi
  aws stepfunctions describe-execution --execution-arn "$execution" --query '[error, cause]' --output text >&2
  fail "the deployment ended as $status"
}

deploy() {
  local version=$1 machine=$2 service executions=() url host
  need aws docker
  docker info >/dev/null 2>&1 || fail "docker does not run"
  machine=${machine:-$(output "$ebbtide" DeploymentStateMachineLiveArn)}
  deploy_infrastructure
  push_image "$version"
  for service in "${services[@]}"; do
    register_version "$service" "$version"
    executions+=("$(start "$machine" "$service" "$version")")
  done
  # An API has a URL, a load balancer has a name.
  url=$(output_if_any Url)
  [[ -n $url ]] || host=$(output "$infrastructure" DnsName)
  for service in "${services[@]}"; do
    wait_for "${executions[0]}"
    executions=("${executions[@]:1}")
    say "version $version is in service; try: curl ${url:-http://$host}/${service:+$service/}"
  done
  printf '%s\n' "${url:-$host}"
}

destroy() {
  local machine=$1 service
  need aws
  if [[ -z $machine ]] && stack_exists "$ebbtide"; then
    machine=$(output "$ebbtide" DeploymentStateMachineArn)
  fi
  for service in "${services[@]}"; do
    destroy_service "$machine" "$(stack_of "$service")"
  done
  empty_bucket
  say "stack $infrastructure, with its images and logs"
  delete_stack "$infrastructure"
}

# What the hooks have written: a bucket is only deleted empty.
empty_bucket() {
  local bucket
  stack_exists "$infrastructure" || return 0
  bucket=$(output_if_any TasksBucket)
  [[ -z $bucket ]] || aws s3 rm "s3://$bucket" --recursive >&2
}

destroy_service() {
  local machine=$1 stack=$2 running cluster service id ids revision revisions
  stack_exists "$stack" || return 0
  cluster=$(output "$infrastructure" Cluster)
  service=$(output "$stack" ServiceName)
  if [[ -n $machine ]]; then
    running=$(aws stepfunctions list-executions --state-machine-arn "$machine" --status-filter RUNNING \
      --output json --query "executions[?starts_with(name, '$stack-')].executionArn | [0]")
    [[ $running == null ]] || fail "a deployment is running; wait for it, or stop it: $running"
  fi

  say "the task sets of service $service"
  ids=$(task_sets "$cluster" "$service" "?status!='DRAINING'")
  for id in $ids; do
    # Everything is deleted, with its connections: nothing is drained.
    aws ecs delete-task-set --cluster "$cluster" --service "$service" --task-set "$id" --force >/dev/null
  done
  for _ in {1..120}; do
    ids=$(task_sets "$cluster" "$service")
    [[ -n $ids ]] || break
    sleep "$poll"
  done
  [[ -z $ids ]] || fail "there are task sets still: $ids"
  say "stack $stack"
  delete_stack "$stack"
  # The revisions that updates of the stack left.
  revisions=$(aws ecs list-task-definitions --family-prefix "$stack" --status ACTIVE \
    --query 'taskDefinitionArns[]' --output text)
  for revision in $revisions; do
    [[ $revision == None ]] || aws ecs deregister-task-definition --task-definition "$revision" >/dev/null
  done
}

# Ids of the task sets of a service: all, or those that a filter leaves.
task_sets() {
  aws ecs describe-services --cluster "$1" --services "$2" --output text \
    --query "services[].taskSets[${3:-}][].id"
}

delete_stack() {
  aws cloudformation delete-stack --stack-name "$1"
  aws cloudformation wait stack-delete-complete --stack-name "$1"
}

[[ $name =~ ^[A-Za-z][A-Za-z0-9-]{0,19}$ ]] || fail "NAME is $name; allowed: at most 20 letters, digits and -"
case ${1:-} in
  -h | --help) usage ;;
  --destroy) (($# <= 2)) || { usage >&2; exit 2; }; destroy "${2:-}" ;;
  "" | -*) usage >&2; exit 2 ;;
  *)
    (($# <= 2)) || { usage >&2; exit 2; }
    [[ $1 =~ ^[A-Za-z0-9_][A-Za-z0-9_.-]{0,39}$ ]] ||
      { echo "VERSION is $1; allowed: at most 40 letters, digits, _ . and -, not starting with . or -" >&2; exit 2; }
    deploy "$1" "${2:-}"
    ;;
esac
