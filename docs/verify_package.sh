#!/bin/sh
# Verifies a package of Tamis with tar, sha256sum and openssl (3.0 or newer): sh verify_package.sh PACKAGE
# The signer's key is taken from the package itself; whether it is to be trusted is for you: compare it with the key file.
set -eu
package=$(realpath "$1")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
tar xf "$package" manifest.json signature items.jsonl hits.jsonl
tar xf "$package" names.jsonl 2>/dev/null || true
# A raw Ed25519 key becomes one that openssl reads by 12 bytes before it.
key=$(sed -n 's/^    "signing_key": "\([0-9a-f]*\)",$/\1/p' manifest.json)
# shellcheck disable=SC2059
env printf "$(printf '302a300506032b6570032100%s' "$key" | sed 's/../\\x&/g')" >key.der
{ printf 'tamis-share-package-1\n'; cat manifest.json; } >signed
openssl pkeyutl -verify -pubin -keyform DER -inkey key.der -rawin -in signed -sigfile signature
# Of each part its name, and further down its digest.
sed -n 's/^      "name": "\(.*\)",$/\1/p; s/^      "sha256": "\(.*\)"$/\1/p' manifest.json |
  while read -r name && read -r digest; do printf '%s  %s\n' "$digest" "$name"; done | sha256sum -c -
