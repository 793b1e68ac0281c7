#!/bin/sh
# Verifies a package of Tamis with tar, sha256sum, openssl (3.0 or newer), and python3 for JSON: sh verify_package.sh PACKAGE KEYFILE
# KEYFILE is the signer's public.json, as it came from the signer, whose fingerprint you compared: who signed is taken from there and
# never from the package. Prints the key, and ends with an error where anything is not as it was signed.
set -eu
[ $# -eq 2 ] || { echo "give the package and the signer's key file" >&2; exit 2; }
package=$(realpath "$1")
keyfile=$(realpath "$2")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
# From the key file: its fingerprint, as it is computed, and the signing key.
python3 - "$keyfile" >key.txt <<'PYTHON'
import hashlib, json, sys
key = json.load(open(sys.argv[1], "rb"))
covered = ["tamis-key-1", *(key[name] for name in ("signing_key", "recipient", "name", "agency", "contact"))]
digits = hashlib.sha256("".join(line + "\n" for line in covered).encode()).hexdigest()[:32]
if "-".join(digits[at : at + 4] for at in range(0, 32, 4)) != key["fingerprint"]:
    sys.exit("NOT VERIFIED: the key file's fingerprint is not that of what it says")
if len(bytes.fromhex(key["signing_key"])) != 32:
    sys.exit("NOT VERIFIED: the key file's signing key is none")
print(key["fingerprint"], key["signing_key"])
PYTHON
read -r fingerprint key <key.txt
# To standard output, so that a link or a folder of that name is nothing.
tar xOf "$package" manifest.json >manifest.json
tar xOf "$package" signature >signature
# A raw Ed25519 key becomes one that openssl reads by 12 bytes before it.
# shellcheck disable=SC2059
env printf "$(printf '302a300506032b6570032100%s' "$key" | sed 's/../\\x&/g')" >key.der
{ printf 'tamis-share-package-1\n'; cat manifest.json; } >signed
openssl pkeyutl -verify -pubin -keyform DER -inkey key.der -rawin -in signed -sigfile signature
# From the manifest, now that it is the signer's: the members, and the digests of the parts. Nothing else may be in the archive.
python3 - "$keyfile" "$package" <<'PYTHON'
import json, os, sys
def once(pairs):
    if len(dict(pairs)) != len(pairs):
        sys.exit("NOT VERIFIED: a JSON object has a field twice")
    return dict(pairs)
key, manifest = (json.load(open(path, "rb"), object_pairs_hook=once) for path in (sys.argv[1], "manifest.json"))
if manifest["signer"] != key:
    sys.exit("NOT VERIFIED: the package names another signer than the key file")
parts = manifest["parts"]
names = [part["name"] for part in parts]
if names not in (["items.jsonl", "hits.jsonl"], ["items.jsonl", "hits.jsonl", "names.jsonl"]):
    sys.exit("NOT VERIFIED: the manifest names other parts than packages have")
lengths = [os.path.getsize("manifest.json"), 64, *(part["bytes"] for part in parts)]
if os.path.getsize(sys.argv[2]) != sum(512 + (length + 511) // 512 * 512 for length in lengths) + 1024:
    sys.exit("NOT VERIFIED: the package has another length than the manifest says")
with open("members", "w") as members, open("digests", "w") as digests:
    members.write("".join(name + "\n" for name in ["manifest.json", "signature", *names]))
    digests.write("".join(f"{part['sha256']}  {part['name']}\n" for part in parts))
PYTHON
tar tf "$package" >found
cmp found members || { echo "NOT VERIFIED: other members than the manifest names" >&2; exit 1; }
tail -n +3 members | while read -r name; do tar xOf "$package" "$name" >"$name"; done
sha256sum --strict -c digests
echo "signing key $key"
echo "fingerprint $fingerprint"
