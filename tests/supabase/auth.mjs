// Registers, signs in and out by the vendor's client. Arguments: URL of the auth service, key, e-mail, password.
import { AuthClient } from "@supabase/auth-js";

const [url, key, email, password] = process.argv.slice(2);
const client = () => new AuthClient({ url, headers: { apikey: key }, autoRefreshToken: false, persistSession: false });
const said = ({ error }) => error?.code ?? error?.name ?? "";
const found = {};

const auth = client();
const made = await auth.signUp({ email, password });
found.registered = made.data.user?.email;
found.again = said(await client().signUp({ email, password }));
found.wrong = said(await client().signInWithPassword({ email, password: "something else" }));
const signedIn = await auth.signInWithPassword({ email, password });
found.signedIn = said(signedIn) || signedIn.data.session.token_type;
found.user = (await auth.getUser(signedIn.data.session.access_token)).data.user?.email;
const refreshed = await auth.refreshSession();
found.refreshed = said(refreshed) || refreshed.data.session.refresh_token !== signedIn.data.session.refresh_token;
found.token = refreshed.data.session.access_token;
const leaving = client();
const other = (await leaving.signInWithPassword({ email, password })).data.session.access_token;
found.signedOut = said(await leaving.signOut({ scope: "local" }));
found.left = said(await client().getUser(other));
console.log(JSON.stringify(found));
