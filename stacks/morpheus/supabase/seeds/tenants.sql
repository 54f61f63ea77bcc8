-- Two users, each with stories of their own. Where there is an auth service in this database, they are users of it, without a
-- password: nobody can sign in as one until somebody with the project's secret key gives it one.
do $$
begin
    if to_regclass('auth.users') is null then
        return;
    end if;
    insert into auth.users (instance_id, id, aud, role, email, encrypted_password, email_confirmed_at, created_at, updated_at,
        raw_app_meta_data, raw_user_meta_data, confirmation_token, recovery_token, email_change, email_change_token_new)
    select '00000000-0000-0000-0000-000000000000', id, 'authenticated', 'authenticated', email, '', now(), now(), now(),
        '{"provider": "email", "providers": ["email"]}', '{}', '', '', '', ''
    from (values
        ('5eed0000-0000-4000-8000-000000000001'::uuid, 'ida@seed.example'),
        ('5eed0000-0000-4000-8000-000000000002'::uuid, 'tomas@seed.example')
    ) as tenant (id, email)
    where not exists (select from auth.users where users.id = tenant.id or users.email = tenant.email);
    insert into auth.identities (user_id, provider_id, provider, identity_data, last_sign_in_at, created_at, updated_at)
    select id, id::text, 'email', jsonb_build_object('sub', id::text, 'email', email), now(), now(), now()
    from auth.users
    where users.email like '%@seed.example'
        and not exists (select from auth.identities where identities.user_id = users.id);
end
$$;

insert into stories (title, text, owner)
select title, text, owner
from (values
    ('5eed0000-0000-4000-8000-000000000001'::uuid, 'Ida and the tide',
     'The tide brought Ida a letter every morning. This one was wet. She dried it over the lamp, and it was a map.'),
    ('5eed0000-0000-4000-8000-000000000001'::uuid, 'Ida goes ashore',
     'Nobody had seen Ida on land. She stood in the market and asked for salt. They gave her a lighthouse.'),
    ('5eed0000-0000-4000-8000-000000000002'::uuid, 'Tomas and the thirteenth hour',
     'There was an hour too many in the big clock. Tomas took it home in his hat. It was dark in there, and very quiet.')
) as seed (owner, title, text)
where not exists (select from stories where stories.owner = seed.owner and stories.title = seed.title);
