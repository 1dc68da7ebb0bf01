"""CRMs in small: they apply the calls and files of an export or a plan, hold tickets, and list what they have in their own shape.

Each is as unforgiving as its documents say: what a list leaves out is gone, from old tickets too.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree as ET

from contact_reasons.crm.exports import Step

Shown = list[tuple[str, str]]
"""What people can select: what is stored, and the label, in the order of display."""


class Simulated:
    """A CRM without fields.

    `shown` gives what people can select: secondaries as stored, with labels. `stored` gives all that old tickets may hold.
    """

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}

    def create(self, files: Mapping[str, str]) -> None:
        """Apply an export."""
        for name in sorted(files):
            if name.startswith("calls/"):
                call = json.loads(files[name])
                self.call(call["method"], call["path"], self.filled(call["body"]))
            elif name not in ("README.md", "taxonomy.yaml"):
                self.load(name, files[name])

    def apply(self, step: Step) -> None:
        """Apply a step of a plan."""
        if step.method is not None:
            self.call(step.method, step.path or "", self.filled(copy.deepcopy(step.body)))
        elif step.file is not None:
            self.load(*step.file)

    def filled(self, body: Any) -> Any:
        """A body with the ids that earlier answers named."""
        if isinstance(body, dict):
            return {key: self.filled(value) for key, value in body.items()}
        if isinstance(body, list):
            return [self.filled(value) for value in body]
        if isinstance(body, str) and (match := re.fullmatch(r"\{id of (.+)\}", body, re.S)):
            return self.answers[match.group(1)]
        return body

    def call(self, method: str, path: str, body: Any) -> None:
        raise AssertionError(f"{type(self).__name__} takes no calls: {method} {path}")

    def load(self, name: str, text: str) -> None:
        raise AssertionError(f"{type(self).__name__} imports no files: {name}")

    def listing(self) -> dict[str, str]:
        raise NotImplementedError

    def shown(self) -> tuple[Shown, Shown]:
        raise NotImplementedError

    def stored(self) -> set[Any]:
        raise NotImplementedError


class Zendesk(Simulated):
    def __init__(self, foreign: bool = False) -> None:
        super().__init__()
        self.foreign, self.field, self.next_id = foreign, dict[str, Any](), 900

    def call(self, method: str, path: str, body: Any) -> None:
        given = body["ticket_field"]
        options = given["custom_field_options"]
        if method == "POST":
            assert path == "/api/v2/ticket_fields"
            assert not self.field
            assert given["type"] == "tagger"
            self.field = {"id": 360001, **given, "custom_field_options": []}
            if self.foreign:
                options = [*options, {"name": "By hand", "value": "by_hand"}]
        else:
            assert (method, path) == ("PUT", "/api/v2/ticket_fields/360001")
        assert len({option["value"] for option in options}) == len(options)
        assert len({option["name"] for option in options}) == len(options)
        assert all(len(option["name"]) <= 255 for option in options)
        known = {option.get("id"): option["value"] for option in self.field["custom_field_options"]}
        new = []
        for option in options:
            if "id" in option:
                assert known[option["id"]] == option["value"]
            else:
                assert option["value"] not in known.values()
                self.next_id += 1
            new.append({"id": option.get("id", self.next_id), "name": option["name"], "value": option["value"]})
        self.field["custom_field_options"] = new

    def listing(self) -> dict[str, str]:
        other = {"id": 7, "type": "tagger", "title": "Something else", "custom_field_options": []}
        status = {"id": 8, "type": "status", "title": "Status"}
        return {"ticket_fields.json": json.dumps({"ticket_fields": [status, self.field, other], "next_page": None})}

    def shown(self) -> tuple[Shown, Shown]:
        options = [o for o in self.field["custom_field_options"] if not o["name"].startswith("Retired::")]
        return [], [(o["value"], o["name"]) for o in options if o["value"] != "by_hand"]

    def stored(self) -> set[Any]:
        return {option["value"] for option in self.field["custom_field_options"]}


class HubSpot(Simulated):
    def __init__(self, foreign: bool = False) -> None:
        super().__init__()
        self.foreign, self.properties = foreign, dict[str, dict[str, Any]]()

    def call(self, method: str, path: str, body: Any) -> None:
        if method == "POST":
            assert path == "/crm/v3/properties/tickets"
            name = body["name"]
            assert name not in self.properties
            self.properties[name] = body
            if self.foreign:
                body["options"].append(
                    {"label": "By hand", "value": "By hand", "displayOrder": -1, "hidden": False, "description": ""}
                )
        else:
            assert method == "PATCH"
            name = path.removeprefix("/crm/v3/properties/tickets/")
            self.properties[name] |= body
        options = self.properties[name]["options"]
        assert len({option["label"] for option in options}) == len(options)
        assert len({option["value"] for option in options}) == len(options)
        for option in options:
            assert set(option) == {"label", "value", "displayOrder", "hidden", "description"}

    def listing(self) -> dict[str, str]:
        more = {"description": "", "hidden": False, "displayOrder": -1, "archived": False, "hubspotDefined": False}
        mixed = [more | each | {"options": each["options"][::-1]} for each in self.properties.values()]
        subject = {"name": "subject", "label": "Ticket name", "type": "string", "fieldType": "text", "options": []}
        results = [more | subject | {"groupName": "ticketinformation"}, *mixed]
        return {"properties.json": json.dumps({"results": results})}

    def shown(self) -> tuple[Shown, Shown]:
        levels = []
        for each in self.properties.values():
            options = sorted(each["options"], key=lambda option: option["displayOrder"])
            levels.append([(o["value"], o["label"]) for o in options if not o["hidden"] and o["value"] != "By hand"])
        return levels[0], levels[1]

    def stored(self) -> set[Any]:
        return {(name, option["value"]) for name, each in self.properties.items() for option in each["options"]}


class Salesforce(Simulated):
    """What a deployed picklist leaves out is gone."""

    SPACE = "{http://soap.sforce.com/2006/04/metadata}"

    def __init__(self, foreign: bool = False) -> None:
        super().__init__()
        self.foreign, self.files = foreign, dict[str, str]()

    def load(self, name: str, text: str) -> None:
        root = ET.fromstring(text)
        if root.tag == f"{self.SPACE}CustomField":
            assert name == f"objects/Case/fields/{root.findtext(f'{self.SPACE}fullName')}.field-meta.xml"
            if self.foreign and name not in self.files:
                by_hand = "<value><fullName>By hand</fullName><default>false</default><label>By hand</label></value>"
                text = text.replace("</valueSetDefinition>", f"{by_hand}</valueSetDefinition>")
            self.files[name] = text
            values = [each[0] for each in self.values(name)]
            assert len(set(values)) == len(values) <= 1000
            self.check_control()

    def values(self, name: str) -> list[tuple[str, str, bool]]:
        root = ET.fromstring(self.files[name])
        found = []
        for value in root.iter(f"{self.SPACE}value"):
            full, label = value.findtext(f"{self.SPACE}fullName"), value.findtext(f"{self.SPACE}label")
            assert full is not None
            assert label is not None
            found.append((full, label, value.findtext(f"{self.SPACE}isActive") != "false"))
        return found

    def check_control(self) -> None:
        """What a setting names stands in the fields, and what is controlled and active stands in a setting."""
        if len(self.files) == 2:
            primary, secondary = sorted(self.files, key=len)
            controlling = {value for value, _, _ in self.values(primary)}
            settings = {
                each.findtext(f"{self.SPACE}valueName"): each.findtext(f"{self.SPACE}controllingFieldValue")
                for each in ET.fromstring(self.files[secondary]).iter(f"{self.SPACE}valueSettings")
            }
            assert set(settings.values()) <= controlling
            assert {value for value, _, active in self.values(secondary) if active} - {"By hand"} == set(settings)
            assert all(value is not None and value.startswith(f"{over}__") for value, over in settings.items())

    def listing(self) -> dict[str, str]:
        return dict(self.files)

    def shown(self) -> tuple[Shown, Shown]:
        primary, secondary = (
            [(value, label) for value, label, active in self.values(name) if active and value != "By hand"]
            for name in sorted(self.files, key=len)
        )
        return primary, secondary

    def stored(self) -> set[Any]:
        return {(name, value) for name in self.files for value, _, _ in self.values(name)}


class Dynamics(Simulated):
    def __init__(self, foreign: bool = False) -> None:
        super().__init__()
        self.foreign, self.sets, self.map = foreign, dict[str, list[dict[str, Any]]](), ""
        self.published, self.subjects = True, set[tuple[str, str]]()

    def call(self, method: str, path: str, body: Any) -> None:
        assert method == "POST"
        action = path.removeprefix("/api/data/v9.2/")
        if action == "GlobalOptionSetDefinitions":
            assert body["Name"] not in self.sets
            self.sets[body["Name"]] = body["Options"]
            if self.foreign:
                label = {"LocalizedLabels": [{"Label": "By hand", "LanguageCode": 1033}]}
                body["Options"].append({"Value": 5, "Label": label, "Description": {"LocalizedLabels": []}})
            return
        self.published = action == "PublishXml"
        if action == "PublishXml":
            return
        options = self.sets[body["OptionSetName"]]
        known = {option["Value"]: option for option in options}
        if action == "InsertOptionValue":
            assert body["Value"] not in known
            options.append({key: body[key] for key in ("Value", "Label", "Description")})
        elif action == "UpdateOptionValue":
            assert body["MergeLabels"]
            known[body["Value"]] |= {"Label": body["Label"], "Description": body["Description"]}
        else:
            assert action == "OrderOption"
            assert sorted(body["Values"]) == sorted(known)
            options.sort(key=lambda option: body["Values"].index(option["Value"]))

    def load(self, name: str, text: str) -> None:
        if name == "dependents.json":
            self.map = text
        elif name.startswith("subjects/"):
            for line in text.splitlines()[1:]:
                self.subjects.add(tuple(line.rsplit(",", 1)[0].split(",", 1)))  # type: ignore[arg-type]
                assert line.endswith(",1")

    def listing(self) -> dict[str, str]:
        assert self.published
        found = {f"{name}.json": json.dumps({"Name": name, "Options": each}) for name, each in self.sets.items()}
        return found | {"dependents.json": self.map}

    def shown(self) -> tuple[Shown, Shown]:
        def text(label: dict[str, Any]) -> str:
            return str(label["LocalizedLabels"][0]["Label"])

        mapped = json.loads(self.map)["values"]
        levels = []
        for each, active in zip(
            self.sets.values(),
            ({int(v) for v in mapped}, {v for values in mapped.values() for v in values}),
            strict=True,
        ):
            options = [option for option in each if option["Value"] in active]
            levels.append([(text(o["Description"]).partition(":")[0], text(o["Label"])) for o in options])
        return levels[0], levels[1]

    def stored(self) -> set[Any]:
        found = set()
        for name, options in self.sets.items():
            for option in options:
                described = option["Description"]["LocalizedLabels"]
                found.add((name, option["Value"], described[0]["Label"].partition(":")[0] if described else ""))
        return found


class ServiceNow(Simulated):
    def __init__(self, foreign: bool = False) -> None:
        super().__init__()
        self.records: dict[str, dict[str, str]] = {}
        if foreign:
            for element, value in (("category", "hardware"), ("category", "a"), ("subcategory", "keyboard")):
                number = f"{len(self.records):032x}"
                self.records[number] = {
                    "name": "sn_customerservice_case",
                    "element": element,
                    "value": value,
                    "label": value.title(),
                    "dependent_value": "hardware" if element == "subcategory" else "",
                    "language": "en",
                    "sequence": "1",
                    "inactive": "false",
                    "sys_id": number,
                }

    def load(self, name: str, text: str) -> None:
        assert name == "sys_choice.xml"
        for record in ET.fromstring(text):
            assert record.attrib == {"action": "INSERT_OR_UPDATE"}
            values = {child.tag: child.text or "" for child in record}
            assert len(values["value"]) <= 40
            assert re.fullmatch("[0-9a-f]{32}", values["sys_id"])
            before = self.records.get(values["sys_id"], values)
            assert (before["element"], before["value"]) == (values["element"], values["value"])
            self.records[values["sys_id"]] = values

    def listing(self) -> dict[str, str]:
        root = ET.Element("unload")
        for values in sorted(self.records.values(), key=lambda record: record["sys_id"]):
            record = ET.SubElement(root, "sys_choice", action="INSERT_OR_UPDATE")
            for key, value in values.items():
                ET.SubElement(record, key).text = value
        return {"sys_choice_list.xml": ET.tostring(root, encoding="unicode")}

    def shown(self) -> tuple[Shown, Shown]:
        def level(element: str) -> list[dict[str, str]]:
            mine = [
                each for each in self.records.values() if each["element"] == element and each["inactive"] == "false"
            ]
            return sorted((each for each in mine if self.is_ours(each)), key=lambda each: int(each["sequence"]))

        primaries, secondaries = level("category"), level("subcategory")
        order = [each["value"] for each in primaries]
        secondaries.sort(key=lambda each: order.index(each["dependent_value"]))
        return [(e["value"], e["label"]) for e in primaries], [(e["value"], e["label"]) for e in secondaries]

    @staticmethod
    def is_ours(record: dict[str, str]) -> bool:
        """Made by an export, or made by hand and taken over since."""
        return int(record["sys_id"], 16) > 9 or record["label"] != record["value"].title()

    def stored(self) -> set[Any]:
        return {(each["element"], each["value"]) for each in self.records.values()}


class Freshdesk(Simulated):
    """Tickets hold labels."""

    def __init__(self, listed: bool = False) -> None:
        super().__init__()
        self.listed, self.field, self.next_id = listed, dict[str, Any](), 100

    def call(self, method: str, path: str, body: Any) -> None:
        if method == "POST":
            assert path == "/api/v2/admin/ticket_fields"
            assert body["type"] == "nested_field"
            self.field = {"id": 42, **body}
        else:
            assert (method, path) == ("PUT", "/api/v2/admin/ticket_fields/42")
            self.field |= body
        self.number(self.field["choices"])

    def number(self, choices: list[dict[str, Any]]) -> None:
        assert len({choice["value"] for choice in choices}) == len(choices)
        assert [choice["position"] for choice in choices] == [*range(1, len(choices) + 1)]
        for choice in choices:
            self.next_id += 1
            choice.setdefault("id", self.next_id)
            self.number(choice["choices"])

    def listing(self) -> dict[str, str]:
        if not self.listed:
            return {"field.json": json.dumps(self.field)}
        tree = {c["value"]: {each["value"]: [] for each in c["choices"]} for c in self.field["choices"]}
        level = {"level": 2, "label_in_portal": "Contact reason detail"}
        given = {
            "id": 42,
            "label": "Contact reason",
            "type": "nested_field",
            "nested_ticket_fields": [level],
            "choices": tree,
        }
        return {"fields.json": json.dumps([{"id": 1, "type": "default_subject", "label": "Subject"}, given])}

    def shown(self) -> tuple[Shown, Shown]:
        tree = self.field["choices"]
        return [(c["value"], c["value"]) for c in tree], [
            (f"{c['value']} > {each['value']}", each["value"]) for c in tree for each in c["choices"]
        ]

    def stored(self) -> set[Any]:
        primaries, secondaries = self.shown()
        return {value for value, _ in (*primaries, *secondaries)}


class Intercom(Simulated):
    """Conversations hold ids of items; an archived item does not come back, and items stay in their order."""

    def __init__(self, foreign: bool = False) -> None:
        super().__init__()
        self.attributes: list[dict[str, Any]] = []
        self.next_id = 0

    def call(self, method: str, path: str, body: Any) -> None:
        root, *way = path.removeprefix("/conversations/attributes").split("/")
        assert root == ""
        if not way:
            assert (method, body["data_type"]) == ("POST", "list")
            assert all(set(option) == {"label"} for option in body["options"])
            made = {"type": "conversation_attribute", "id": 70 + len(self.attributes), "description": ""}
            more = {"required": False, "visible_to_team_ids": [], "archived": False, "admin_id": "16"}
            attribute = made | more | {"created_at": 1778239701, "updated_at": 1778239701} | body
            attribute["options"] = [self.option(option["label"]) for option in body["options"]]
            self.attributes.append(attribute)
        else:
            attribute = next(each for each in self.attributes if each["id"] == int(way[0]))
            assert way[1] == "options"
            options = attribute["options"]
            if method == "POST":
                assert (way[2:], set(body)) == ([], {"label"})
                options.append(self.option(body["label"]))
            else:
                (option,) = (each for each in options if each["id"] == way[2] and not each["archived"])
                if method == "PUT":
                    assert set(body) == {"label"}
                    option |= body
                else:
                    assert (method, body) == ("DELETE", None)
                    option["archived"] = True
        labels = [option["label"] for option in attribute["options"] if not option["archived"]]
        assert len(labels) >= 2
        assert len(set(labels)) == len(labels)

    def option(self, label: str) -> dict[str, Any]:
        self.next_id += 1
        return {"id": f"item-{self.next_id}", "label": label, "archived": False}

    def listing(self) -> dict[str, str]:
        other = {**self.attributes[0], "id": 1, "name": "plan", "data_type": "string", "multiline": False}
        del other["options"]
        return {"attributes.json": json.dumps({"type": "list", "data": [other, *self.attributes]})}

    def shown(self) -> tuple[Shown, Shown]:
        first, second = (
            [(option["id"], option["label"]) for option in each["options"] if not option["archived"]]
            for each in self.attributes
        )
        return first, second

    def stored(self) -> set[Any]:
        return {option["id"] for each in self.attributes for option in each["options"]}


class Jira(Simulated):
    """Issues hold ids of options."""

    def __init__(self, foreign: bool = False) -> None:
        super().__init__()
        self.options: list[dict[str, Any]] = []

    def call(self, method: str, path: str, body: Any) -> None:
        root = "/rest/api/3/field/{fieldId}/context/{contextId}/option"
        assert path.startswith(root)
        if path.endswith("/move"):
            assert (method, body["position"]) == ("PUT", "First")
            ids = body["customFieldOptionIds"]
            moved = [next(o for o in self.options if o["id"] == each) for each in ids]
            assert len({o.get("optionId") for o in moved}) == 1
            self.options = moved + [o for o in self.options if o["id"] not in ids]
            return
        assert 0 < len(body["options"]) <= 1000
        if method == "PUT":
            for given in body["options"]:
                option = next(o for o in self.options if o["id"] == given["id"])
                if given["disabled"] and "optionId" not in option:
                    assert all(o["disabled"] for o in self.options if o.get("optionId") == option["id"])
                option |= given
        else:
            assert method == "POST"
            for given in body["options"]:
                option = {"id": str(10_001 + len(self.options)), **given}
                assert option.get("optionId") in (None, *(o["id"] for o in self.options))
                self.options.append(option)
                parent = next((o["value"] + " > " for o in self.options if o["id"] == given.get("optionId")), "")
                self.answers[parent + given["value"]] = option["id"]
        places = [(o.get("optionId"), o["value"]) for o in self.options]
        assert len(set(places)) == len(places)

    def listing(self) -> dict[str, str]:
        total, half = len(self.options), len(self.options) // 2
        pages = (self.options[:half], self.options[half:])
        return {
            f"page-{number}.json": json.dumps(
                {"maxResults": 100, "startAt": number * half, "total": total, "isLast": number == 1, "values": page}
            )
            for number, page in enumerate(pages)
        }

    def shown(self) -> tuple[Shown, Shown]:
        primaries = [o for o in self.options if "optionId" not in o and not o["disabled"]]
        secondaries = [o for p in primaries for o in self.options if o.get("optionId") == p["id"] and not o["disabled"]]
        return [(o["id"], o["value"]) for o in primaries], [(o["id"], o["value"]) for o in secondaries]

    def stored(self) -> set[Any]:
        return {option["id"] for option in self.options}


SIMULATED: dict[str, type[Any]] = {
    "zendesk": Zendesk,
    "hubspot": HubSpot,
    "salesforce": Salesforce,
    "dynamics": Dynamics,
    "servicenow": ServiceNow,
    "freshdesk": Freshdesk,
    "intercom": Intercom,
    "jira": Jira,
}
