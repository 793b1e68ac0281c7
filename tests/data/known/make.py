"""Makes the fixtures of tests/known_import.rs and known_bad_input.rs: every digest is that of a made-up text, every hash and PhotoDNA value is made
of such digests, and every name is invented. The shapes are those of the public readers and samples named in
docs/known-sets.md. Run in this folder; the files are kept, so that a change of this script shows."""

import base64
import hashlib
import json


def text(number):
    return f"tamis fixture {number}".encode()


def md5(number):
    return hashlib.md5(text(number)).hexdigest()


def sha1(number):
    return hashlib.sha1(text(number)).hexdigest()


def sha256(number):
    return hashlib.sha256(text(number)).hexdigest()


def photodna(number):
    return b"".join(hashlib.sha1(b"photodna %d %d" % (number, part)).digest() for part in range(8))[:144]


def pdq(number):
    return hashlib.sha256(b"pdq %d" % number).hexdigest()


def write(name, content, bom=False):
    with open(name, "wb") as file:
        file.write((b"\xef\xbb\xbf" if bom else b"") + content.encode())


def media(number, **more):
    record = {"MediaID": number, "Category": number % 6, "MD5": md5(number).upper(), "SHA1": sha1(number)}
    record.update(more)
    return record


vics_13 = {
    "odata.metadata": "http://github.com/ICMEC/ProjectVic/DataModels/1.3.xml#Media",
    "value": [
        media(1, MediaSize="4096", VictimIdentified="True", OffenderIdentified="false", IsDistributed=True,
              Series="Série \"Ω\"", Tags="a, b", Comments="line one\nline two", IsPrecategorized="1"),
        media(2, MediaSize=5000, VictimIdentified=None, Series=None, PhotoDNA=base64.b64encode(photodna(2)).decode()),
        media(3, MD5=md5(3), SHA1="", Category="5", Unknown={"deep": [1, 2.5, {"x": None}], "text": "\ud83d\ude00"},
              **{"AlternativeHashes@odata.navigationLinkUrl": "http://x"}),
        media(4, SHA1=None, Category=None, PhotoDNA="not a value"),
    ],
}
write("vics-1.3.json", json.dumps(vics_13, indent=1).replace("\n", "\r\n"), bom=True)

vics_20 = {
    "@odata.context": "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/Default/$metadata#Media",
    "value": [
        media(11, AlternativeHashes=[{"HashName": "PDQ", "HashValue": pdq(11)}, {"HashName": "X", "HashValue": "y"}],
              Exifs=[{"MD5": md5(11), "PropertyName": "Make", "PropertyValue": "Camera"}], DateUpdated="2023-06-07T02:31:49.83Z"),
        media(12, AlternativeHashes=[{"HashValue": sha256(12), "HashName": "SHA256"}],
              MediaFiles=[{"FileName": "a.jpg", "FilePath": "C:\\x\\a.jpg", "Unallocated": False}]),
        media(1, Category=2),
    ],
}
write("vics-2.0.json", json.dumps(vics_20, ensure_ascii=False))

case = {
    "odata.metadata": "http://github.com/ICMEC/ProjectVic/DataModels/1.3.xml#Cases",
    "value": [
        {"odata.id": "", "CaseID": "c-1", "CaseNumber": "2026/1", "Media": [media(21), media(22)],
         "SourceApplicationName": "Made up", "CaseMetadata": [{"PropertyName": "p", "PropertyValue": "v"}]},
        {"CaseID": "c-2", "Media": [], "TotalMediaFiles": 0},
        {"CaseID": "c-3", "Media": [media(23)]},
    ],
}
write("vics-case.json", json.dumps(case, indent=2))

caid = {
    "odata.metadata": "http://github.com/ICMEC/ProjectVic/DataModels/1.2.xml#Media",
    "value": [media(31, Category=1), media(32, Category=3, IsDistributed="False")],
}
write("caid.json", json.dumps(caid))

header = ("MD5;SHA1;ZZ40;PhotoDNA;Lace;Image ID;Is distributed;Victim identified;Offender identified;Series name;"
          "Investigation name;Agency;Number of submissions;File Available;Media Type;Baseline")
write("icse.csv", "\r\n".join([
    header,
    f"{md5(41)};{sha1(41)};;{photodna(41).hex()};;1001;true;true;false;\"Series; one\";Operation \"\"X\"\";Agency;3;true;Image;true",
    f"{md5(42).upper()};{sha1(42)};;;;1002;false;;;;;;1;false;Video;false;;",
    f"{md5(43)};;;;;1003",
]) + "\r\n")


def entry(kind, number, member, fingerprints, classification="A1", more=""):
    return (f"<{kind}><member id=\"{member}\">Member &amp; Co</member><timestamp>2026-01-0{number % 9 + 1}T00:00:00Z</timestamp>"
            f"<id>{kind}{number}</id><classification>{classification}</classification>"
            f"<fingerprints>{fingerprints}</fingerprints>{more}</{kind}>")


def deletion(kind, identifier, member):
    return (f"<deleted{kind}><member id=\"{member}\">Member</member><id>{identifier}</id>"
            f"<timestamp>2026-02-01T00:00:00Z</timestamp></deleted{kind}>")


def document(content):
    return ("<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n"
            "<queryResult xmlns=\"https://hashsharing.ncmec.org/hashsharing/v2\">\n" + content + "\n</queryResult>\n")


write("ncmec-1.xml", document(
    "<images count=\"3\" maxTimestamp=\"2026-01-04T00:00:00Z\">\n"
    + entry("image", 51, 42, f"<md5>{md5(51)}</md5><sha1>{sha1(51)}</sha1><pdna>{photodna(51).hex()}</pdna><pdq>{pdq(51)}</pdq>",
            more="<feedback lastUpdateTimestamp=\"x\"><members><member id=\"7\">&#65;</member><member id=\"8\">B</member></members></feedback>")
    + "\n" + entry("image", 52, 42, f"<md5>{md5(52)}</md5>", "B2")
    + "\n" + deletion("Image", "image99", 42)
    + "\n</images>\n<videos count=\"1\">" + entry("video", 53, 43, f"<md5>{md5(53)}</md5><sha1>{sha1(53)}</sha1>", "A2") + "</videos>"
    "<paging><next>/v2/entries?from=a&amp;to=b</next></paging>"))
# The second part withdraws an entry of the first; another member's of the same identifier stays.
write("ncmec-2.xml", document(
    "<images>" + deletion("Image", "image52", 42) + entry("image", 52, 44, f"<md5>{md5(54)}</md5>")
    + deletion("Image", "image51", 99) + "</images>"))

write("hashdeep.txt", "%%%% HASHDEEP-1.0\n%%%% size,md5,sha256,filename\n## Invoked from: /made/up\n## $ hashdeep -r x\n## \n"
      f"12,{md5(61)},{sha256(61)},/x/a, b.jpg\n0,{md5(62)},{sha256(62)},/x/c.jpg\n")
write("md5sum.txt", f"{md5(71)}  a.jpg\n{md5(72)} *b  c.jpg\n\\{md5(73)}  d\\ne.jpg\n")
write("pdq.txt", f"# geometry: full\n{pdq(81)},77,a.jpg\n{pdq(82)}\n{'0' * 64},0,blank.jpg\n")
write("lab.csv", f"Hash\tGrade\tSize\tNote\n{md5(91)}\tA\t17\tx\n{md5(92)}\tc\t\t\n")
write("profile.json", json.dumps({
    "name": "lab", "categories": {"1": {"meaning": "child_abuse", "label": "One"}, "X": {"meaning": "other", "label": "Ex"}},
    "others": {"meaning": "uncategorised", "label": "Anything else"}}, indent=1))
