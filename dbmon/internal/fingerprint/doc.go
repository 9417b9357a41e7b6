// Package fingerprint tells which query a statement is: the same text without
// its values, a stable id of that text, and what kind of statement it is.
//
// It guarantees:
//
//   - No literal is in the text: no string, number, bit or hex string, dollar
//     quoted text, TRUE, FALSE or NULL, in none of the dialects. Each is a "?",
//     as a placeholder is, with its sign. Comments are left out.
//   - Statements that differ in values, white space, comments, the case of
//     keywords and of unquoted names, the number of rows behind VALUES or of
//     elements behind IN, and the names of aliases have the same id.
//   - Statements on different tables or columns have different ids: but for its
//     values, labels and lists, the text is an equivalent query.
//   - Utility statements are their verb: ALTER USER, SET, COPY, GRANT, PRAGMA and
//     whatever is not known. Passwords, keys and rows are not always literals.
//   - The id is FNV-1a (64 bits) of the whole text, before it is cut to [MaxText]
//     bytes. It is the same in each process, on each machine, and part of what
//     must not change between versions.
//   - The fingerprint of a text that was not cut is that text.
//   - One pass, linear in the length of the statement, whatever its bytes are.
//
// It does not parse. What is only known to the server is read as by default:
// standard_conforming_strings on in PostgreSQL, neither NO_BACKSLASH_ESCAPES nor
// ANSI_QUOTES in MySQL. [Unknown] replaces the rest of a statement from where the
// dialects would read it differently, such as a square bracket. So does MySQL
// where a string begins in a comment that only some versions execute, and ends
// behind it.
//
// # Double quotes
//
// In PostgreSQL they hold names. Elsewhere they are a string, which is replaced,
// but where the grammar allows a name only: beside a dot, as a table, an alias,
// in the column list of INSERT, on the left in SET. SQLite reads "x" as a column
// where there is such a column, and as a string otherwise. There, what looks like
// a plain name is taken for one also in GROUP BY and ORDER BY, and where it is
// compared with a value, since a constant makes no sense there. Anywhere else, as
// in SELECT "x", f("x") and a = "x", it is replaced: such queries on different
// columns have one id. Names in backticks or square brackets, and names without quotes, are
// never in doubt. Strings in single quotes are names to SQLite where the grammar
// allows a name only; plain ones are printed.
//
// # What stays apart
//
// The case of table names in MySQL, which its files may tell apart; labels
// without AS behind an unqualified column; the name of an alias that is also used
// on its own, as in SELECT u FROM users u; labels where they mean something, as in
// a text with NATURAL JOIN; lists of function arguments; types that a value is
// cast to.
//
// # What does not
//
// Signs before a value, also where they bind less than what follows: -1::int and
// 1::int. Variables of MySQL. In PostgreSQL @name is a placeholder, as pgx has it,
// and not the operator @ before a column.
//
// Cost: about 10 ns a byte and three or four allocations, five to seven with
// aliases to be renamed. dbmon computes it once for each text and keeps it.
//
//	s := fingerprint.Of(fingerprint.PostgreSQL, "SELECT u.id FROM users u WHERE u.email = 'a@example.com'")
//	// s.Text  SELECT users.id FROM users WHERE users.email = ?
//	// s.Class SELECT, s.Reads true
package fingerprint
