/// The tables, and how a file comes to have them.
#pragma once

namespace flashsale::sinks {

class Connection;

/// Brings a file just opened to this library's schema and to write-ahead logging. Two processes may race: one makes
/// the schema, the other finds it. Fails with unsupported on a newer schema, and with refused on a file that belongs to
/// another application or is no database.
void prepare_schema(Connection& connection);

}  // namespace flashsale::sinks
