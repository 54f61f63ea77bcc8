// Drives the stand-in by a client of the Management API that is not ours. Arguments: base URL, token, reference of the project.
import { SupabaseManagementAPI } from "supabase-management-js";

const [baseUrl, accessToken, ref] = process.argv.slice(2);
const api = new SupabaseManagementAPI({ accessToken, baseUrl });
const found = {};

async function refused(call) {
  try {
    await call();
  } catch (error) {
    return error.status;
  }
  return 0;
}

found.projects = (await api.listAllProjects()).data.map((one) => one.ref);
found.organizations = await refused(() => api.listAllOrganizations());
found.status = (await api.getProject(ref)).data.status;
await api.updateAuthServiceConfig(ref, { site_url: "https://example.com", jwt_exp: 1800 });
const auth = (await api.getAuthServiceConfig(ref)).data;
found.auth = [auth.site_url, auth.jwt_exp];
found.unknown = await refused(() => api.updateAuthServiceConfig(ref, { no_such_setting: true }));
await api.updateNetworkRestrictions(ref, { dbAllowedCidrs: ["192.0.2.1/32"], dbAllowedCidrsV6: [] });
found.restrictions = (await api.getNetworkRestrictions(ref)).data.config.dbAllowedCidrs;
await api.updateSslEnforcementConfig(ref, { requestedConfig: { database: true } });
found.tls = (await api.getSslEnforcementConfig(ref)).data.currentConfig.database;
await api.updatePoolerConfig(ref, { default_pool_size: 30, pool_mode: "session" });
found.pooler = (await api.getPoolerConfig(ref)).data.map((one) => [one.database_type, one.default_pool_size, one.pool_mode]);
await api.updatePostgrestServiceConfig(ref, { max_rows: 50 });
found.rows = (await api.getPostgrestServiceConfig(ref)).data.max_rows;
await api.updateStorageConfig(ref, { fileSizeLimit: 1000 });
found.file = (await api.getStorageConfig(ref)).data.fileSizeLimit;
await api.createLegacySigningKey(ref);
const standby = (await api.createProjectSigningKey(ref, { algorithm: "ES256", status: "standby" })).data;
await api.updateProjectSigningKey(ref, standby.id, { status: "in_use" });
const { keys } = (await api.getProjectSigningKeys(ref)).data;
found.keys = keys.map((one) => [one.algorithm, one.status]);
const branch = (await api.createABranch(ref, { branch_name: "preview-1" })).data;
found.parent = branch.parent_project_ref;
found.branches = (await api.listAllBranches(ref)).data.map((one) => one.name);
found.named = (await api.getABranch(ref, "preview-1")).data.id === branch.id;
const config = (await api.getABranchConfig(branch.project_ref)).data;
found.database = [config.db_host, config.db_port, config.db_user];
await api.deleteABranch(branch.project_ref);
found.left = (await api.listAllBranches(ref)).data.length;
console.log(JSON.stringify(found));
