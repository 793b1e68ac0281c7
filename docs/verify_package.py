"""Verifies a package of Tamis without Tamis: python3 verify_package.py PACKAGE      needs `cryptography`
Prints the signer, and ends with an error where anything is not as it was signed. Whether that signer is to be
trusted is for you: compare the fingerprint with its owner."""
import hashlib, json, sys, tarfile
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

with tarfile.open(sys.argv[1], "r:") as archive:
    members = {member.name: archive.extractfile(member).read() for member in archive}
manifest = json.loads(members["manifest.json"])
signer = manifest["signer"]
covered = ["tamis-key-1", *(signer[name] for name in ("signing_key", "recipient", "name", "agency", "contact"))]
digits = hashlib.sha256("".join(line + "\n" for line in covered).encode()).hexdigest()[:32]
fingerprint = "-".join(digits[start : start + 4] for start in range(0, 32, 4))
assert fingerprint == signer["fingerprint"], "the fingerprint is not the key's"
key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(signer["signing_key"]))
key.verify(members["signature"], b"tamis-share-package-1\n" + members["manifest.json"])
names = [part["name"] for part in manifest["parts"]]
assert list(members) == ["manifest.json", "signature", *names], "other members than the manifest names"
for part in manifest["parts"]:
    content = members[part["name"]]
    assert len(content) == part["bytes"] and content.count(b"\n") == part["rows"], part["name"]
    assert hashlib.sha256(content).hexdigest() == part["sha256"], part["name"]
print("signed by", signer["name"], signer["agency"], fingerprint)
