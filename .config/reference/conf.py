"""Sphinx' configuration of the site that `make reference` builds. It is built without the network."""

from __future__ import annotations

from typing import Any

from ansible.constants import config
from docutils import nodes

project = "morpheus.deploy"
copyright = "The morpheus.deploy authors"
title = html_short_title = project
extensions = ["sphinx_antsibull_ext"]
pygments_style = "ansible"
highlight_language = "YAML+Jinja"
html_theme = "sphinx_ansible_theme"
html_show_sphinx = html_use_modindex = html_use_index = html_copy_source = False
default_role = "any"
nitpicky = True

_ANSIBLE = "https://docs.ansible.com/projects/ansible/latest"
_PAGES = {
    "action_plugins": "plugins/action.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "callback_plugins": "plugins/callback.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}
_BUILTIN = "ansible_collections.ansible.builtin."
_VARIABLES = {one["name"] for setting in config.get_configuration_definitions().values() for one in setting.get("env") or []}


def elsewhere(app: Any, env: Any, node: Any, shown: Any) -> Any:
    """A link to Ansible's own pages, whose inventory Sphinx would have to fetch."""
    label = node["reftarget"]
    page = f"collections/ansible/builtin/{label.removeprefix(_BUILTIN)}.html" if label.startswith(_BUILTIN) else _PAGES.get(label)
    # Fragments of ansible-core name settings of its own, which are not on the page of variables that is made here.
    if node["reftype"] == "envvar" and label in _VARIABLES:
        page = f"reference_appendices/config.html#envvar-{label}"
    return nodes.reference("", "", shown, refuri=f"{_ANSIBLE}/{page}") if page else None


def setup(app: Any) -> None:
    app.connect("missing-reference", elsewhere)
