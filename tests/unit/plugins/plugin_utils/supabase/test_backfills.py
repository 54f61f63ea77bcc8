"""Files of backfills: how one is told to a host, and what is no backfill, in which exact words."""

from __future__ import annotations

import pytest
from ansible_collections.morpheus.deploy.plugins.plugin_utils.supabase import files, statements
from ansible_collections.morpheus.deploy.plugins.plugin_utils.supabase.files import Directory

WHERE = "supabase/migrations"
A = f"{WHERE}/20260101000000_a.sql"
FILL = "update orders set total = 1"


def read(sql: str) -> Directory:
    return files.read({A: sql.encode()}, WHERE)


def test_a_file_with_a_key_and_a_size_is_told_so_that_a_condition_can_be_written_behind_it() -> None:
    (one,) = read('-- é\n-- backfill key=createdAt batch=500\nupdate only s."O" as o set total = 1\nwhere a or b -- c').as_list()
    assert one["backfill"] == {
        "sql": 'update only s."O" as o set total = 1\nwhere (\na or b -- c\n) and',
        "table": '"s"."O"',
        "rows_of": 'only "s"."O"',
        "key": "createdAt",
        "column": '"o"."createdAt"',
        "batch": 500,
    }
    assert (one["kind"], one["effects"]) == ("backfill", ["writes rows of s.O, in batches of 500 by createdAt (line 3)"])


@pytest.mark.parametrize(
    "statement",
    [
        FILL,
        f"{FILL} -- where",
        f"{FILL} /* where */ where a = 'where' or b",
        f"{FILL}, (a, b) = (select x, y from z where z.id = orders.id) where exists (select from y where true) or a",
        f"{FILL} from lines l join items i on i.id = l.id where l.order_id = orders.id",
        "delete from orders where a or b",
        "delete from orders o using lines where lines.id = o.id -- it",
        "update orders \"where\" set total = 1, note = E'\\'where' where (a) or (b)",
    ],
)
def test_whatever_the_statement_says_the_condition_is_behind_all_of_it(statement: str) -> None:
    """It is the last of what all must be true."""
    found = read(f"-- backfill key=id batch=5\n{statement};\n-- the end")
    assert found.problems == []
    told = found.as_list()[0]["backfill"]
    (whole,), (cut,) = (statements.split(sql) for sql in (statement, f"{told['sql']} {told['column']} <= 5"))
    was, condition = whole.node.whereClause, cut.node.whereClause
    if was is None:
        assert type(condition).__name__ == "A_Expr"
    else:
        *others, last = condition.args
        assert (condition.boolop.name, type(last).__name__) == ("AND_EXPR", "A_Expr")
        assert others == [was]
    whole.node.whereClause = cut.node.whereClause = None
    assert whole.node == cut.node


NO_FORM = (
    ' is not "-- backfill key=<column> batch=<rows>"; write it so, or begin the comment with another word when none is meant'
)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        pytest.param(f"-- backfill\n{FILL}", f'1: "-- backfill"{NO_FORM}', id="no key, no size"),
        pytest.param(f"-- backfill id 500\n{FILL}", f'1: "-- backfill id 500"{NO_FORM}', id="no names"),
        pytest.param(f"--backfill key=id\n{FILL}", f'1: "--backfill key=id"{NO_FORM}', id="no size"),
        pytest.param(f"-- backfill key=id batch=5 wait=3\n{FILL}", f'1: "-- backfill key=id batch=5 wait=3"{NO_FORM}', id="more"),
        pytest.param(f"-- backfill key=id key=at\n{FILL}", f'1: "-- backfill key=id key=at"{NO_FORM}', id="two keys"),
        pytest.param(
            f"-- backfill key=a,b batch=5\n{FILL}",
            '1: key=a,b is not the name of a column, expected letters, digits and "_"',
            id="no name",
        ),
        *(
            pytest.param(
                f"-- backfill key=id batch={size}\n{FILL}",
                f"1: batch={size} is not a number of rows from 1 to 100000",
                id=f"a batch of {size}",
            )
            for size in ("0", "100001", "5k", "-5", "²")
        ),
        pytest.param(
            f"-- backfill key=id batch=5\n-- backfill key=id batch=6\n{FILL}",
            '1: "-- backfill key=<column> batch=<rows>" stands 2 times; a backfill has one key, so keep one of them',
            id="twice",
        ),
        pytest.param(
            f"-- contract\n-- backfill key=id batch=5\n{FILL}",
            '1: is marked as a contract, too; put the rows into a file of their own with "-- backfill", before the contract',
            id="a contract",
        ),
        pytest.param(
            f"-- backfill key=id batch=5\n{FILL};\n{FILL}",
            "3: a backfill has 2 statements, expected one UPDATE or DELETE; put others into files of their own",
            id="two statements",
        ),
        pytest.param(
            "-- backfill key=id batch=5\n",
            "1: a backfill has 0 statements, expected one UPDATE or DELETE; put others into files of their own",
            id="no statement",
        ),
        pytest.param(
            "-- backfill key=id batch=5\ninsert into a select * from b",
            "2: a backfill is one UPDATE or DELETE, and this is another statement (Insert)",
            id="an INSERT",
        ),
        pytest.param(
            "-- backfill key=id batch=5\nwith x as (select 1) update a set b = 1",
            "2: WITH above UPDATE would be run anew in each batch; write it as a subquery in WHERE",
            id="WITH",
        ),
        pytest.param(
            "-- backfill key=id batch=5\ndelete from a where b returning c",
            "2: RETURNING has nobody who reads it; take it out",
            id="RETURNING",
        ),
        pytest.param(
            "-- backfill key=id batch=5\nupdate a set b = 1 where current of c",
            "2: WHERE CURRENT OF names one row and no condition; write a condition",
            id="a cursor",
        ),
        pytest.param(
            "-- backfill key=id batch=5\nupdate a set b = 1, id = id + 1",
            "2: sets id, by which its batches are cut; name another unique column as key",
            id="sets its key",
        ),
        pytest.param(
            "-- backfill key=id batch=5\nupdate d.s.a set b = 1",
            "2: names the table with its database; write schema.table",
            id="a database",
        ),
    ],
)
def test_what_cannot_be_run_in_batches_is_refused(sql: str, expected: str) -> None:
    found = read(sql)
    assert found.problems == [f"{A}:{expected}"]
    # What goes on to the end, to tell all problems at once, needs it nevertheless.
    assert [one["path"] for one in found.as_list()] == [A]


@pytest.mark.parametrize("comment", ["-- Backfill the totals", "-- the backfill", "/* backfill */", "-- backfilled"])
def test_a_comment_that_is_no_mark_is_none(comment: str) -> None:
    found = read(f"{comment}\n{FILL}")
    assert found.problems == []
    assert "backfill" not in found.as_list()[0]
