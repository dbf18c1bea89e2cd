#!/usr/bin/env python3
"""Lints template.yaml twice: as it is, and as the plain CloudFormation that SAM makes of it.

cfn-lint alone does not run the SAM transform (since 1.54), so it never sees the resources that SAM adds. Offline;
needs aws-sam-translator and cfn-lint. Writes only <work folder>/translated.json. Exit 1 when there is any finding.

    python3 tools/check-template.py template.yaml <work folder> [Parameter=value ...]
"""

import json
import logging
import os
import sys
from pathlib import Path

REGION = "eu-central-1"
os.environ.setdefault("AWS_DEFAULT_REGION", REGION)  # the translator asks boto3 for one; nothing is called
logging.getLogger("samtranslator").setLevel(logging.CRITICAL)  # a warning on every run about its own feature toggles

import boto3  # noqa: E402
from cfnlint.api import lint_file  # noqa: E402
from cfnlint.config import ManualArgs  # noqa: E402
from cfnlint.decode import cfn_yaml  # noqa: E402
from samtranslator.model.exceptions import InvalidDocumentException  # noqa: E402
from samtranslator.parser.parser import Parser  # noqa: E402
from samtranslator.translator.translator import Translator  # noqa: E402


def translate(source: Path, overrides: dict[str, str]) -> dict:
    """The template as CloudFormation would deploy it, with code that is already uploaded."""
    template = json.loads(json.dumps(cfn_yaml.load(str(source))))  # plain dicts and strings
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://bucket/key"
    parameters = {name: parameter.get("Default", "x") for name, parameter in template["Parameters"].items()}
    return Translator({}, Parser(), boto_session=boto3.Session()).translate(template, parameters | overrides)


def lint(path: Path) -> list[str]:
    matches = lint_file(path, config=ManualArgs(regions=[REGION]))
    return [f"{path}:{m.linenumber}:{m.columnnumber} {m.rule.id} {m.message}" for m in matches]


def main(source: str, work_folder: str, *overrides: str) -> int:
    template = Path(source)
    translated = Path(work_folder) / "translated.json"
    findings = lint(template)
    try:
        document = translate(template, dict(pair.split("=", 1) for pair in overrides))
    except InvalidDocumentException as error:
        findings += [f"{template}: SAM refuses: {cause.message}" for cause in error.causes]
    else:
        translated.parent.mkdir(parents=True, exist_ok=True)
        translated.write_text(json.dumps(document, indent=1), encoding="utf-8")
        findings += lint(translated)
    print("\n".join(findings) if findings else f"{template}: no findings, {len(document['Resources'])} resources")
    return 1 if findings else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
