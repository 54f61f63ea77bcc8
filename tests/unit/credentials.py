"""Every credential and every outside address that the project knows, with what covers each: docs/security.md has the same table.

What is new is written here first: test_credentials reads the options of roles and modules and the inventories, and fails for a
secret, or an address, that is in none. A column says what covers the entry, or "no: " and why nothing does.
"""

from __future__ import annotations

from dataclasses import dataclass

MASKED_ON_HOSTS = "masked on hosts, which have it in secrets/"
MASKED_AS_OPTION = "masked as an option with no_log"


@dataclass(frozen=True)
class Credential:
    """``place``: where it stands in an inventory, ``*`` for a name that users choose, or where else it comes from.

    ``options``: of modules (``<module>.<option>``) that are given it.
    """

    place: str
    fingerprint: str
    audit: str
    rotation: str
    sentinel: str
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Address:
    """``tied``: what keeps one environment's from being used by another."""

    place: str
    tied: str
    audit: str


_BY_FILE = "secret-shared, secret-old, secret-unrecorded"
CREDENTIALS = (
    Credential(
        "stack_secrets.*.*",
        "<env file>.<VARIABLE>",
        f"{_BY_FILE}; files: secret-readable, secret-owner, secret-leftover; replicas: key-undeclared, key-missing",
        "any provider",
        MASKED_ON_HOSTS,
        (
            *("stack_release.secrets", "stack_secret.value", "stack_attestation.new", "stack_attestation.old"),
            *("postgres_login.url", "key_probe.key", "rotation.secrets", "database_identity.url"),
            *("lease.identity.database.url", "host_identity.database.url"),
            *("supabase_migrations.url", "supabase_seeds.url", "stack_adoption_info.secrets"),
            *("ledger_login.url", "ledger_login.reader"),
        ),
    ),
    Credential(
        "stack_secret_variables.*",
        "variables.<VARIABLE>",
        f"{_BY_FILE}; files: secret-readable, secret-owner, secret-leftover; replicas: key-undeclared, key-missing",
        "any provider",
        MASKED_ON_HOSTS,
        (
            "stack_release.secrets",
            "rotation.secrets",
            "supabase_migrations.url",
            "supabase_seeds.url",
            "stack_adoption_info.secrets",
        ),
    ),
    Credential(
        "stack_secret_files.*.content",
        "files.<name>",
        f"{_BY_FILE}; files: secret-readable, secret-owner, secret-leftover",
        "any provider",
        MASKED_ON_HOSTS,
        ("stack_release.secret_files", "rotation.secret_files", "supabase_migrations.url", "supabase_seeds.url"),
    ),
    Credential(
        "the secret of stack.migration.reader",
        "that of the secret that it names",
        f"{_BY_FILE}; files: secret-readable, secret-owner, secret-leftover",
        "manual, command, generated: the next deploy gives its role the new password",
        MASKED_ON_HOSTS,
        ("ledger_login.reader",),
    ),
    Credential(
        "ml.key",
        "that of the file of stack_secret_files from which the gateway reads it",
        "no: it lies on no host, the gateway's file does",
        "manual, command: of the same variable of the vault as the gateway's file",
        "no: it reaches no host; it is looked at for blanks, and no problem of ml repeats it",
    ),
    Credential(
        "ml.management_key",
        "no: RunPod knows whose key it is; endpoints of another environment have other names",
        "no: it stays on the controller",
        "manual",
        "no: it reaches no host; RunPod's answers are told without it",
    ),
    *(
        Credential(
            f"stack_registries[].{option}",
            f"registries.<server>.{option}",
            "secret-shared, secret-old",
            "manual, command",
            MASKED_AS_OPTION,
            ("stack_release.registries", "rotation.registries"),
        )
        for option in ("password", "token")
    ),
    Credential(
        "stack_rotation[].postgres.admin_url",
        "rotation.<name>.admin_url",
        "secret-shared, secret-old",
        "no: it is what rotations work with; a person renews it",
        MASKED_AS_OPTION,
        ("postgres_login.admin_url", "rotation.rotations"),
    ),
    Credential(
        "stack_rotation[].command.admin_key",
        "rotation.<name>.admin_key",
        "secret-shared, secret-old",
        "no: it is what rotations work with; a person renews it",
        "no: it reaches no host; what a program prints is never repeated",
        ("rotation.rotations",),
    ),
    *(
        Credential(
            f"notifications.channels[].{option}",
            f"notifications.<channel>.{option}",
            "secret-shared, secret-old",
            "no: whoever runs the channel gives another one; then playbooks/fingerprint.yml",
            "masked in what a run says of the channel; it goes to the program that sends on its standard input",
        )
        for option in ("url", "token", "password")
    ),
    Credential(
        "supabase_project.token",
        "supabase_project.token",
        "secret-shared, secret-old, supabase-token-wide, supabase-accepted",
        "no: a person makes another one and revokes this one; then playbooks/fingerprint.yml",
        MASKED_AS_OPTION,
        ("supabase_project.token", "supabase_isolation_info.token"),
    ),
    Credential(
        "supabase_project.secret_key",
        "supabase_project.secret_key",
        "secret-shared, secret-old, supabase-accepted",
        "no: a person makes another one and revokes this one; then playbooks/fingerprint.yml",
        MASKED_AS_OPTION,
        ("storage_bucket.key", "supabase_isolation_info.api_keys"),
    ),
    Credential(
        "backup_storage_key",
        "no: it is supabase_project.secret_key, or another one of the project",
        "supabase-accepted, of supabase_project.secret_key",
        "no: a person makes another one and revokes this one; then playbooks/fingerprint.yml",
        MASKED_AS_OPTION,
        ("storage_backup.key", "storage_restore.key"),
    ),
    Credential(
        "preview_project.token",
        "no: it is staging's by design; branches hang off staging's project",
        "supabase-token-wide, in staging's audit",
        "no: a person makes another one and revokes this one",
        MASKED_AS_OPTION,
        ("supabase_branch.token", "supabase_branch_info.token"),
    ),
    Credential(
        "stack_fingerprint_key",
        "no: it is the key of the fingerprints, and the same in every environment",
        "secret-unrecorded, when files were made with another key",
        "no: a new one makes every fingerprint again, playbooks/fingerprint.yml in each environment",
        MASKED_AS_OPTION,
        ("stack_attestation.key", "rotation.fingerprint_key"),
    ),
    *(
        Credential(
            place,
            "no: it lies on no host; what it opens is named in the inventory, and the marker tells a wrong database",
            "no: it lies on no host",
            "no: a person makes another login; it is of this one's place in the vault",
            MASKED_AS_OPTION,
            options,
        )
        for place, options in (
            (
                "backup_database_url",
                ("database_backup.url", "database_restore.url"),
            ),
            ("staging_data_database_url", ("staging_data_import.url",)),
        )
    ),
    *(
        Credential(
            place,
            "no: it lies on no host, and opens only what was encrypted to its public key",
            "no: it lies on no host",
            "no: a new one opens no backup from before; both stay in the vault until those are gone",
            "masked as an option with no_log; it goes to age through a pipe",
            options,
        )
        for place, options in (
            ("backup_identity", ("database_restore.identity", "storage_restore.identity", "staging_data_export.identity")),
            ("staging_data_identity", ("staging_data_import.identity",)),
        )
    ),
    *(
        Credential(
            f"{role}_s3_{key}_key",
            "no: it lies on no host; hosts are given URLs that each open one object for some hours",
            "no: it lies on no host",
            "no: whoever runs the store gives another one",
            MASKED_AS_OPTION,
            options if key == "secret" else (),
        )
        for role, options in (
            (
                "backup",
                (
                    "backup_store.s3",
                    "database_backup.urls",
                    "database_restore.urls",
                    "storage_backup.urls",
                    "storage_restore.urls",
                    "staging_data_export.urls",
                ),
            ),
            ("staging_data", ("backup_store.s3", "staging_data_export.to_urls", "staging_data_import.urls")),
        )
        for key in ("access", "secret")
    ),
    Credential(
        "edge_certificate_paths.*",
        "no: certificates have names and ends of their own",
        "tls-expiry, tls-name, file-writable, secret-readable",
        "no: playbooks/provision.yml brings what whoever issues certificates has renewed",
        MASKED_AS_OPTION,
        ("edge_config.certificates",),
    ),
    Credential(
        "certificates_account_key",
        "no: config_must_differ compares it",
        "no: it lies on no host",
        "no: the vault gets another one, and the next order makes its account",
        MASKED_AS_OPTION,
        ("acme_certificate.account_key",),
    ),
    Credential(
        "logs_password",
        "no: it lets lines of logs in, and who reads them is the target's affair",
        "no: root alone reads the file that it lies in",
        "no: whoever runs the target gives another one; then playbooks/provision.yml --tags logs",
        MASKED_AS_OPTION,
        ("log_shipping.password",),
    ),
    Credential(
        "edge/conf/certs/acme.pem on hosts",
        "no: each certificate has a key of its own, which no controller keeps",
        "tls-expiry, tls-name, file-writable, secret-readable",
        "no: each renewal makes a new one",
        MASKED_AS_OPTION,
        ("edge_certificate.content", "edge_config.placeholders"),
    ),
    Credential(
        "stack_vault, its password",
        "no: it opens the others; each environment's has a vault id of its own",
        "no: it lies on no host",
        "no: ansible-vault rekey",
        "no: Ansible alone knows it",
    ),
    Credential(
        "MORPHEUS_NEW_SECRET",
        "that of the secret that it becomes",
        "no: it is on no host before it is that secret",
        "manual",
        "masked on hosts, which have it in secrets/ by then",
    ),
    Credential(
        "vault_rotation",
        "that of the secret whose old and new value it is",
        "no: it lies in the vault alone",
        "its own state",
        MASKED_AS_OPTION,
    ),
    Credential(
        "<stack>/fingerprint.key on hosts",
        "no: each host makes its own",
        "file-writable",
        "no: a deploy makes a new one when it is gone",
        "no: no run ever reads it but to use it; it is 32 random bytes",
    ),
)

ADDRESSES = (
    Address(
        "the database of stack.database.secret",
        "project_ref, system_identifier and the marker, before the first write",
        "audit_must_reach, audit_must_not_reach, database-project",
    ),
    Address(
        "the database of stack.migration.secret",
        "project_ref, system_identifier and the marker, before the first migration",
        "no: asked by a deploy alone, for migrations; applications use stack.database.secret",
    ),
    Address(
        "the database of stack.migration.reader",
        "project_ref, and the marker through its own connection, whenever it is asked; what is not ours is not believed",
        "audit_must_reach, as the database",
    ),
    Address(
        "stack_rotation[].postgres.admin_url",
        "its fingerprint, and the marker, through each connection",
        "audit_must_not_reach, as the database",
    ),
    Address("stack_registries[].server", "the fingerprint of its login", "no: asked by a deploy alone, for images"),
    Address("stack_rotation[].probe.url", "no: the key decides; it is asked with this environment's key alone", "no: as the API"),
    Address("stack.env.*.*", "stack.allowed_values", "audit_must_not_reach, where it names another environment's"),
    Address("stack.public_check.url", "config_must_differ; each host asks its own edge", "tls-name, tls-protocol"),
    Address("stack.public_check.address", "each host asks its own edge when it is left out", "no: as public_check.url"),
    Address("stack.services[].routes[].host", "config_must_differ", "tls-name"),
    Address("stack.services[].routes[].redirect.host", "config_must_differ; users are sent there", "no: no host asks it"),
    Address("stack.services[].routes[].redirect.url", "no: users are sent there", "no: no host asks it"),
    Address(
        "ml.provider_url", "the fingerprint of its key; ids of endpoints in fingerprints.json", "no: asked by the gateway alone"
    ),
    Address("ml.management_url", "its key", "no: asked by the controller alone"),
    Address(
        "ml.mock_url", "no: a mock has nothing of an environment; production is told of none", "no: asked by the gateway alone"
    ),
    Address("backup.storage_url", "backup_storage_key, which opens one project alone", "supabase-accepted, of that project"),
    Address("supabase_project.url", "config_must_differ: [supabase_project.project_ref]; supabase-accepted", "supabase-unproved"),
    Address("supabase_project.api_url", "the token is scoped to one project", "supabase-token-wide, supabase-accepted"),
    Address("supabase_project.databases[].host", "identity of the database", "supabase-unproved"),
    Address("supabase_project.auth.site_url", "config_must_differ", "supabase-drift"),
    Address("supabase_project.auth.redirect_urls", "no: users are sent there", "supabase-drift"),
    Address("supabase_others[].url", "no: it is another environment's, and has to refuse", "supabase-accepted"),
    Address("supabase_others[].databases[].host", "no: it is another environment's, and has to refuse", "supabase-accepted"),
    Address("preview_project.api_url", "the token is scoped to one project", "no: asked by the controller alone"),
    Address("notifications.channels[].url", "its fingerprint", "no: asked by the controller alone"),
    Address("notifications.channels[].server", "the fingerprint of its password", "no: asked by the controller alone"),
    Address("logs_address", "no: each line says its environment, and is masked", "no: it is sent to alone"),
    Address("logs_url", "no: each line says its environment, and is masked", "no: it is sent to alone"),
    Address("docker_engine_repository_url", "no: packages are signed", "no: asked by provision.yml alone"),
    Address("docker_engine_registry_mirrors", "no: images run by digest", "cis-2.5 when it is trusted without TLS"),
    Address("docker_engine_dns", "no: names lead where the network lets them; the marker tells a wrong database", "no: UDP"),
    Address(
        "edge_acme.directory",
        "certificates_account_key; the authority asks the names, wherever they lead",
        "no: asked by the controller alone",
    ),
    Address("edge_upstreams[].address", "identity of each host", "audit_must_not_reach, which names the other environment's"),
    Address(
        "monitoring.receivers[].url",
        "no: an alert's own words are sent there; what opens it is a file of stack_secret_files",
        "no: asked by Alertmanager alone",
    ),
    Address(
        "monitoring.receivers[].smarthost",
        "no: an alert's own words are sent there; what opens it is a file of stack_secret_files",
        "no: asked by Alertmanager alone",
    ),
    Address(
        "monitoring.urls", "no: they are this environment's own, which the blackbox exporter asks as users do", "no: only asked"
    ),
    *(
        Address(
            f"{role}.s3.endpoint",
            "the keys of the bucket, and age: what another environment put there cannot be opened",
            "no: a host asks it by a signed URL, for one object",
        )
        for role in ("backup", "staging_data")
    ),
    Address(
        "the databases of backup_database_url and staging_data_database_url",
        "project_ref, system_identifier and the marker, before the first row is read or written",
        "audit_must_not_reach, as the database",
    ),
    Address(
        "preflight_alertmanager_url",
        "no: alerts are only read, and refuse a deploy or are told",
        "no: asked by one host alone, before a deploy",
    ),
    Address("edge_trusted_proxies", "no: nobody is contacted there", "no: nobody is contacted there"),
)

# Options that sound like either, and why they are none.
NEITHER = {
    "backup.host": "a name of the inventory",
    "staging_data.host": "a name of the inventory",
    "supabase_project.publishable_key": "public: browsers have it",
    "supabase_project.auth.password_min_length": "a number",
    "supabase_project.auth.token_seconds": "a number",
    "supabase_project.auth.rotate_refresh_tokens": "yes or no",
    "supabase_project.network.allowed_addresses": "who may come, and nobody is contacted there",
    "supabase_project.signing_key": "how often another key signs; the key itself never leaves Supabase",
    "certificates_hosts": "names of the inventory",
    "preflight_certificate_days": "a number of days",
    "certificates_required": "yes or no",
    "docker_engine_source": "the name of a repository: distro or docker",
    "docker_engine_registry_ca_paths": "certificates, which are public, by the registry that shows them",
    "docker_engine_token": "the lease's number",
    "edge_acme.dns_hook": "a program of the controller",
    "edge_metrics_address": "an address of the host's own to listen on",
    "edge_upstream_name": "the name that certificates of hosts must have",
    "edge_upstream_ca_path": "a certificate, which is public",
    "edge_upstream_check_path": "a path that a host is asked for",
    "fleet_hosts": "names of the inventory",
    "identity_needs_every_host": "yes or no",
    "ml.limits.hourly_bound": "an amount of money",
    "lease_hosts": "names of the inventory",
    "logs_ca_path": "a certificate, which is public",
    "logs_target": "a word: syslog or loki",
    "monitoring.receivers[].secret": "the name of a file of stack_secret_files",
    "monitoring.thresholds.certificate_days": "a number",
    "rollout_hosts_at_once": "a number",
    "rollout_token": "the lease's number",
    "stack.database.secret": "the name of a secret",
    "stack.hosts_at_once": "a number",
    "stack.migration.secret": "the name of a secret",
    "stack.migration.reader": "the name of a secret",
    "stack.services[].health.host": "the Host header that a replica is asked with, at its own address",
    "stack.services[].hosts": "names of the inventory",
    "stack_fingerprints": "the path of a file that holds no secret",
    "stack_registries": "each of its options has a row of its own",
    "stack_rotation[].secrets": "names of secrets",
    "stack_shared_secrets": "names of secrets",
    "stack_source": "a directory of the controller",
    "stack_token": "the lease's number",
    "rotation.shared_secrets": "names of secrets, hidden for what they are called",
}


def lines() -> list[str]:
    """The tables as docs/security.md has them."""
    rows = ["| credential | fingerprint | audit | rotation | in what is said |", "|---|---|---|---|---|"]
    rows += [f"| `{one.place}` | {one.fingerprint} | {one.audit} | {one.rotation} | {one.sentinel} |" for one in CREDENTIALS]
    rows += ["", "| outside address | what ties it to its environment | audit |", "|---|---|---|"]
    rows += [f"| `{one.place}` | {one.tied} | {one.audit} |" for one in ADDRESSES]
    return rows
