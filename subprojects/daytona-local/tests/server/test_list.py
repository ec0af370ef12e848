# SPDX-License-Identifier: Apache-2.0
"""Listing: filters, order, cursors, pages."""
import json
import urllib.parse

import harness


class List(harness.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ids = {}
        for name, labels in (("alpha", {"team": "a", "n": "1"}), ("Beta", {"team": "b"}), ("gamma", {"team": "a", "n": "2"}),
                             ("delta", {}), ("alphabet", {"team": "a"})):
            cls.ids[name] = cls.server.create(name=name, labels=labels, public=name == "delta")["id"]
        cls.server.api("POST", "/sandbox/delta/stop")
        cls.server.wait("delta", "stopped")

    def names(self, query=""):
        answer = self.status(200, self.server.api("GET", "/sandbox?" + query)).json
        return [item["name"] for item in answer["items"]]

    def labels(self, **labels):
        return "labels=" + urllib.parse.quote(json.dumps(labels))

    def test_items_have_no_env_and_the_list_a_cursor(self):
        answer = self.server.api("GET", "/sandbox").json
        self.assertIsNone(answer["nextCursor"])
        self.assertEqual(len(answer["items"]), 5)
        for item in answer["items"]:
            for absent in ("env", "volumes", "buildInfo"):
                self.assertNotIn(absent, item)
            self.assertIs(item["networkBlockAll"], False)

    def test_filters(self):
        self.assertEqual(sorted(self.names(self.labels(team="a"))), ["alpha", "alphabet", "gamma"])
        self.assertEqual(self.names(self.labels(team="a", n="2")), ["gamma"])
        self.assertEqual(sorted(self.names("name=ALPHA")), ["alpha", "alphabet"])
        self.assertEqual(self.names("id=" + self.ids["gamma"][:13].upper()), ["gamma"])
        self.assertEqual(self.names("states=stopped"), ["delta"])
        self.assertEqual(len(self.names("states=stopped&states=started")), 5)
        self.assertEqual(len(self.names("states[]=stopped&states[]=started")), 5)
        self.assertEqual(self.names("isPublic=true"), ["delta"])
        self.assertEqual(self.names("isRecoverable=true"), [])
        self.assertEqual(len(self.names("snapshots=daytona-local%2Fdefault%3A1.0")), 5)
        self.assertEqual(self.names("snapshots=other"), [])
        self.assertEqual(self.names("minCpu=2"), [])
        self.assertEqual(self.names("minGpu=1"), [])
        self.assertEqual(len(self.names("minGpu=0&maxGpu=0")), 5)
        self.assertEqual(len(self.names("minCpu=1&maxCpu=1e0&minDiskGiB=3")), 5)
        self.assertEqual(self.names("createdAtAfter=2999-01-01"), [])
        self.assertEqual(len(self.names("createdAtBefore=2999-01-01T00:00:00.123456789%2B02:00")), 5)
        self.assertEqual(self.names("regionIds=moon"), [])
        self.assertEqual(self.names("sandboxClasses=linux-vm"), [])
        self.assertEqual(len(self.names("unknown=1&includeErroredDeleted=false&includeWarm=false&limit=100")), 5)

    def test_order(self):
        self.assertEqual(self.names("sort=name&order=asc"), ["Beta", "alpha", "alphabet", "delta", "gamma"])
        self.assertEqual(self.names("sort=name&order=desc"), ["gamma", "delta", "alphabet", "alpha", "Beta"])
        self.assertEqual(self.names("sort=createdAt&order=asc"), ["alpha", "Beta", "gamma", "delta", "alphabet"])
        self.assertEqual(self.names()[0], "delta")

    def test_bad_values_are_400(self):
        for query in ("limit=0", "limit=201", "limit=x", "limit=1.5", "labels=x", "labels=[]", "labels={\"a\":1}".replace('"', "%22"),
                      "states=destroyed", "states=nonsense", "sort=color", "order=up", "cursor=nonsense", "cursor=eyJ4IjoxfQ==",
                      "minCpu=0", "minGpu=-1", "maxGpu=x", "isPublic=1", "createdAtAfter=yesterday"):
            with self.subTest(query=query):
                self.status(400, self.server.api("GET", "/sandbox?" + query))

    def walk(self, query, between=lambda: None):
        seen, cursor = [], None
        while True:
            more = "&cursor=" + urllib.parse.quote(cursor, safe="") if cursor else ""
            page = self.status(200, self.server.api("GET", "/sandbox?limit=2&%s%s" % (query, more))).json
            self.assertLessEqual(len(page["items"]), 2)
            seen += [item["name"] for item in page["items"]]
            cursor = page["nextCursor"]
            if cursor is None:
                return seen
            between()

    def test_cursor_walks_all(self):
        for query in ("sort=name&order=asc", "sort=cpu", "sort=createdAt&order=desc", ""):
            self.assertEqual(sorted(self.walk(query)), ["Beta", "alpha", "alphabet", "delta", "gamma"])

    def test_cursor_is_stable_under_inserts(self):
        made = []

        def insert():
            made.append(self.server.create(name="Aaa%d" % len(made))["id"])
        seen = self.walk("sort=name&order=asc", insert)
        for box in made:
            self.server.api("DELETE", "/sandbox/" + box)
        for box in made:
            self.server.wait(box, 404)
        self.assertEqual(seen, ["Beta", "alpha", "alphabet", "delta", "gamma"])

    def test_pages(self):
        page = self.status(200, self.server.api("GET", "/sandbox/paginated?limit=2&page=3&sort=name&order=asc")).json
        self.assertEqual((page["total"], page["page"], page["totalPages"]), (5, 3, 3))
        self.assertEqual([item["name"] for item in page["items"]], ["gamma"])
        self.assertIn("env", page["items"][0])
        self.assertEqual(self.server.api("GET", "/sandbox/paginated?page=9").json["items"], [])
        self.status(400, self.server.api("GET", "/sandbox/paginated?page=0"))
        self.assertEqual(self.server.api("GET", "/sandbox/paginated?" + self.labels(team="b")).json["total"], 1)


if __name__ == "__main__":
    harness.main()
