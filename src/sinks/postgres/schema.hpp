/// The tables, and how a database comes to have them.
#pragma once

namespace flashsale::sinks::postgres {

class Connection;

/// Brings the database to this library's schema. Processes may race: one makes it, the others find it. Fails with
/// unsupported on a newer schema, naming both versions.
void prepare_schema(Connection& connection);

}  // namespace flashsale::sinks::postgres
