"""Verifies a package of Tamis without Tamis: python3 verify_package.py PACKAGE KEYFILE      needs `cryptography`
KEYFILE is the signer's public.json, as it came from the signer, whose fingerprint you compared: who signed is taken from there and
never from the package. Prints the key, and ends with an error where anything is not as it was signed."""
import hashlib, json, os, sys, tarfile
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

def need(true, fault):
    if not true:
        sys.exit(f"NOT VERIFIED: {fault}")

def once(pairs):
    need(len(dict(pairs)) == len(pairs), "a JSON object has a field twice")
    return dict(pairs)

need(len(sys.argv) == 3, "give the package and the signer's key file")
with open(sys.argv[2], "rb") as file:
    key = json.load(file, object_pairs_hook=once)
covered = ["tamis-key-1", *(key[name] for name in ("signing_key", "recipient", "name", "agency", "contact"))]
digits = hashlib.sha256("".join(line + "\n" for line in covered).encode()).hexdigest()[:32]
fingerprint = "-".join(digits[start : start + 4] for start in range(0, 32, 4))
need(fingerprint == key["fingerprint"], "the key file's fingerprint is not that of what it says")

with tarfile.open(sys.argv[1], "r:") as archive:
    entries = archive.getmembers()
    need(all(entry.isreg() for entry in entries), "a member is no file")
    names = [entry.name for entry in entries]
    members = {entry.name: archive.extractfile(entry).read() for entry in entries}
need(names[:2] == ["manifest.json", "signature"] and len(members) == len(names), "other members than packages have")
try:
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key["signing_key"]))
    public.verify(members["signature"], b"tamis-share-package-1\n" + members["manifest.json"])
except InvalidSignature:
    need(False, "the manifest is not what this key signed")
manifest = json.loads(members["manifest.json"], object_pairs_hook=once)
need(manifest["signer"] == key, "the package names another signer than the key file")
need(names[2:] == [part["name"] for part in manifest["parts"]], "other members than the manifest names")
for part in manifest["parts"]:
    content = members[part["name"]]
    is_whole = len(content) == part["bytes"] and content.count(b"\n") == part["rows"]
    need(is_whole and hashlib.sha256(content).hexdigest() == part["sha256"], f"{part['name']} is not what was signed")
blocks = sum(512 + (len(content) + 511) // 512 * 512 for content in members.values()) + 1024
need(os.path.getsize(sys.argv[1]) == blocks, "bytes follow its end")
print("signed by", ascii([key["name"], key["agency"], key["contact"]]))
print("signing key", key["signing_key"])
print("fingerprint", fingerprint)
