#!/usr/bin/env bash
#
# build.sh OUT: builds the program that is every part of Kubernetes (see main.go). The version is
# that of go.mod; without it in the program the API server reports none.
set -euo pipefail

cd "$(dirname "$0")"
version=$(sed -n 's#^require k8s.io/kubernetes v##p' go.mod)
IFS=. read -r major minor _ <<<"$version"
package=k8s.io/component-base/version
said=(gitVersion="v$version" gitMajor="$major" gitMinor="$minor" gitTreeState=clean gitCommit=jobgate)
export CGO_ENABLED=0
# Go names each package when it begins with it: one knows from their number how far it is.
go build -mod=readonly -trimpath -buildvcs=false -v \
        -ldflags "-s -w $(printf -- "-X $package.%s " "${said[@]}")" -o "$1" . 2>&1 |
        awk '/^[a-z0-9.]+(\/[^ ]+)*$/ { printf "%d of about 2900 packages: ", ++count } { print; fflush() }'
