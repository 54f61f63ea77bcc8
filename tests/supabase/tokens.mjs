// What the vendor's client makes of tokens. Arguments: URL of the auth service, key, JSON of what is to be done:
// {register: {email, password}}, {refresh: a refresh token}, {tokens: {name: token}}.
import { AuthClient } from "@supabase/auth-js";

const [url, key, wanted] = process.argv.slice(2);
const { register, refresh, tokens } = JSON.parse(wanted);
const client = () => new AuthClient({ url, headers: { apikey: key }, autoRefreshToken: false, persistSession: false });
const said = ({ error }) => error?.code ?? error?.name ?? "";
const session = ({ data, error }) =>
  error ? { error: error.code ?? error.name } : { access: data.session.access_token, refresh: data.session.refresh_token };
const found = {};

if (register) {
  await client().signUp(register);
  found.session = session(await client().signInWithPassword(register));
}
if (refresh) found.session = session(await client().refreshSession({ refresh_token: refresh }));
for (const [name, token] of Object.entries(tokens ?? {})) {
  const claims = await client().getClaims(token);
  const algorithm = JSON.parse(Buffer.from(token.split(".")[0], "base64url").toString()).alg;
  found[name] = { algorithm, byServer: said(await client().getUser(token)), byClaims: said(claims) };
}
console.log(JSON.stringify(found));
