// Makes, reads and deletes users by the vendor's client, with the secret key and without. Arguments: URL of the auth service, its
// public key, its secret key.
import { AuthClient } from "@supabase/auth-js";

const [url, open, secret] = process.argv.slice(2);
const client = (key) =>
  new AuthClient({ url, headers: { apikey: key, Authorization: `Bearer ${key}` }, autoRefreshToken: false, persistSession: false });
const said = ({ error }) => error?.code ?? error?.name ?? "";
const admin = client(secret).admin;
const password = "a long password";
const found = {};

const of = async (email) => {
  const { data } = await admin.createUser({ email, password, email_confirm: true, user_metadata: { name: "Ida" } });
  const visitor = client(open);
  const { data: at } = await visitor.signInWithPassword({ email, password });
  return { email, id: data.user.id, visitor, token: at.session.access_token };
};

const ida = await of("ida@users.example");
const tomas = await of("tomas@users.example");
found.read = (await admin.getUserById(ida.id)).data.user?.email;
found.byAnybody = said(await client(open).admin.deleteUser(ida.id));
found.byHerself = said(await new AuthClient({ url, headers: { apikey: open, Authorization: `Bearer ${ida.token}` } }).admin.deleteUser(ida.id));
const gone = await admin.deleteUser(ida.id);
found.gone = said(gone) || gone.data.user.email;
found.again = said(await admin.deleteUser(ida.id));
found.readAgain = said(await admin.getUserById(ida.id));
found.signsIn = said(await client(open).signInWithPassword({ email: ida.email, password }));
found.token = said(await client(open).getUser(ida.token));
found.refreshes = said(await ida.visitor.refreshSession());
found.sameAddress = (await of(ida.email)).id !== ida.id;

found.softly = said(await admin.deleteUser(tomas.id, true));
const left = (await admin.getUserById(tomas.id)).data.user;
found.leftOfHim = { email: left.email.includes("@"), metadata: left.user_metadata, deleted: Boolean(left.deleted_at) };
found.softlySignsIn = said(await client(open).signInWithPassword({ email: tomas.email, password }));
found.softlyRefreshes = said(await tomas.visitor.refreshSession());
found.softlyAgain = said(await admin.deleteUser(tomas.id, true));
found.hard = said(await admin.deleteUser(tomas.id));
found.nobody = said(await admin.getUserById(tomas.id));
console.log(JSON.stringify(found));
