"""Sessions of PostgreSQL: where it is, how we connect, whom we met.

* ``session``, ``Connection`` in ``sessions``: a connection that is set up for our work
* ``Access`` in ``access``: the one way to a database, with one of the ways to log in of ``logins``; a URL alone is one too
* ``database_errors`` in ``sessions``: raises asyncpg's errors as those of this program
* ``query`` in ``queries``: the text of a file of ``sql/queries/``
* ``past_conflicts`` in ``conflicts``: does work again that the database has undone
* ``Server``, ``server_of`` in ``server_identity``: which running server a session is on
* ``Holder``, ``holders_of_sink`` in ``lock_holders``: who has one of our advisory locks
"""
