# SPDX-License-Identifier: Apache-2.0
"""The object store of daytona-local with boto3, unchanged: run by launch.py as the client boto3. Reports TAP."""

import io
import json
import os
import sys
import threading
import traceback
import urllib.request

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

API_URL, API_KEY = os.environ["DAYTONA_API_URL"], os.environ["DAYTONA_API_KEY"]
MIB = 1 << 20
PARTS = TransferConfig(multipart_chunksize=5 * MIB, multipart_threshold=5 * MIB, max_concurrency=4)
open_url = urllib.request.build_opener(urllib.request.ProxyHandler({})).open


def push_access():
    request = urllib.request.Request(API_URL + "/object-storage/push-access", headers={"Authorization": "Bearer " + API_KEY})
    with open_url(request, timeout=20) as answer:
        return json.load(answer)


class Store:
    def __init__(self):
        self.access = push_access()
        self.bucket = self.access["bucket"]
        self.s3 = self.client()

    def client(self, **options):
        options = {"s3": {"addressing_style": "path"}, "retries": {"max_attempts": 0}, **options}
        return boto3.client("s3", endpoint_url=self.access["storageUrl"], aws_access_key_id=self.access["accessKey"],
                            aws_secret_access_key=self.access["secret"], aws_session_token=self.access["sessionToken"],
                            region_name=self.access["region"], config=Config(**options))

    def at(self, name):
        return {"Bucket": self.bucket, "Key": "%s/%s" % (self.access["organizationId"], name)}

    def code(self, call, **arguments):
        try:
            call(**arguments)
        except ClientError as error:
            return error.response["Error"]["Code"]
        raise AssertionError("no error")

    def objects(self):
        data = os.urandom(100_000)
        for name in ("plain", "a b/é+x", "quote'\"&<>"):
            put = self.s3.put_object(**self.at(name), Body=data, Metadata={"k": "v"}, ContentType="application/x-tar")
            got = self.s3.get_object(**self.at(name))
            assert got["Body"].read() == data and got["Metadata"] == {"k": "v"}, got
            assert (got["ETag"], got["ContentType"]) == (put["ETag"], "application/x-tar")
            assert self.s3.head_object(**self.at(name))["ContentLength"] == len(data)
            assert self.s3.get_object(**self.at(name), Range="bytes=10-19")["Body"].read() == data[10:20]
            self.s3.delete_object(**self.at(name))
            assert self.code(self.s3.get_object, **self.at(name)) == "NoSuchKey"
            assert self.code(self.s3.head_object, **self.at(name)) == "404"

    def checksums(self):
        for kind in ("CRC32", "SHA1", "SHA256"):
            put = self.s3.put_object(**self.at("sum"), Body=b"hello", ChecksumAlgorithm=kind)
            assert put["Checksum" + kind] == self.s3.get_object(**self.at("sum"), ChecksumMode="ENABLED")["Checksum" + kind]
        assert self.code(self.s3.put_object, **self.at("sum"), Body=b"x", ContentMD5="XUFAKrxLKna5cZ2REBfFkg==") == "BadDigest"

    def large(self):
        data = os.urandom(23 * MIB)
        self.s3.upload_fileobj(io.BytesIO(data), *self.at("large").values(), Config=PARTS)
        out = io.BytesIO()
        self.s3.download_fileobj(*self.at("large").values(), out, Config=PARTS)
        assert out.getvalue() == data
        assert self.s3.head_object(**self.at("large"))["ETag"].endswith('-5"')

    def parts(self):
        upload = self.s3.create_multipart_upload(**self.at("parts"))["UploadId"]
        etag = self.s3.upload_part(**self.at("parts"), UploadId=upload, PartNumber=2, Body=b"x")["ETag"]
        assert [p["ETag"] for p in self.s3.list_parts(**self.at("parts"), UploadId=upload)["Parts"]] == [etag]
        found = self.s3.list_multipart_uploads(Bucket=self.bucket, Prefix=self.access["organizationId"])
        assert upload in [u["UploadId"] for u in found["Uploads"]]
        self.s3.abort_multipart_upload(**self.at("parts"), UploadId=upload)
        assert self.code(self.s3.list_parts, **self.at("parts"), UploadId=upload) == "NoSuchUpload"

    def lists(self):
        names = sorted("list/%s/%d" % (folder, n) for folder in "ab" for n in range(7))
        for name in names:
            self.s3.put_object(**self.at(name), Body=b"")
        prefix = self.at("list/")["Key"]
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix, PaginationConfig={"PageSize": 3})
        assert [item["Key"] for page in pages for item in page["Contents"]] == [self.at(name)["Key"] for name in names]
        page = self.s3.list_objects_v2(Bucket=self.bucket, Prefix=prefix, Delimiter="/")
        assert [entry["Prefix"] for entry in page["CommonPrefixes"]] == [prefix + "a/", prefix + "b/"]

    def presigned(self):
        client = self.client(signature_version="s3v4")
        self.s3.put_object(**self.at("signed"), Body=b"signed")
        with open_url(client.generate_presigned_url("get_object", Params=self.at("signed"), ExpiresIn=60), timeout=20) as answer:
            assert answer.read() == b"signed"

    def other_prefixes(self):
        other = {"Bucket": self.bucket, "Key": "00000000-0000-4000-8000-000000000000/x"}
        for call, more in ((self.s3.get_object, {}), (self.s3.put_object, {"Body": b""}), (self.s3.delete_object, {}), (self.s3.create_multipart_upload, {})):
            assert self.code(call, **other, **more) == "AccessDenied"
        assert self.code(self.s3.list_objects_v2, Bucket=self.bucket) == "AccessDenied"
        assert self.code(self.s3.put_object, Bucket="other", Key="x", Body=b"") == "NoSuchBucket"

    def many_at_once(self):
        def work(number):
            data = bytes([number]) * 50_000
            for _ in range(10):
                self.s3.put_object(**self.at("many/%d" % number), Body=data)
                assert self.s3.get_object(**self.at("many/%d" % number))["Body"].read() == data
            finished.append(number)
        finished = []
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(finished) == list(range(8)), finished


def main():
    store, failed = Store(), 0
    scenarios = [name for name, member in vars(Store).items() if callable(member) and name not in ("__init__", "client", "at", "code")]
    print("1..%d" % len(scenarios), flush=True)
    for number, name in enumerate(scenarios, 1):
        try:
            getattr(store, name)()
            print("ok %d - %s" % (number, name), flush=True)
        except Exception:
            failed += 1
            print("not ok %d - %s" % (number, name))
            print("".join("# %s\n" % line for line in traceback.format_exc().splitlines()[-14:]), end="", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
