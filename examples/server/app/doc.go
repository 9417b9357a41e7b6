// Package app holds what the service is about: messages, projects, tickets,
// files and users, the rules they obey, and the ports through which adapters
// (sqlstore, diskstore, llm, ws, httpapi) reach them. It imports no adapter and
// knows neither HTTP nor SQL.
package app
