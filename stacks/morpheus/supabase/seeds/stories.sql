-- A few stories to begin with. What is there already stays as it is.
insert into stories (title, text)
select title, text
from (values
    ('The lamp at the end of the pier',
     'Every night, Ida rowed out to light the lamp at the end of the pier. One evening it was already burning. '
     'Under it sat a fox, reading her diary. “You left out the best part,” said the fox, and turned the page.'),
    ('The clockmaker’s apprentice',
     'Tomas was to wind every clock in town. He was late by a minute, and the town was late with him. '
     'The mayor asked for the minute back. Tomas looked under the workbench. There it lay, ticking.')
) as seed (title, text)
where not exists (select from stories where stories.title = seed.title)
order by title desc;
