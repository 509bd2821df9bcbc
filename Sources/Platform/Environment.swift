import Glibc

/// The environment variables of the process, read only.
package enum Environment {
    /// The value of a variable, or nil where it is unset. An empty value is a value.
    package static subscript(_ name: String) -> String? {
        guard let value = getenv(name) else { return nil }
        return String(cString: value)
    }

    /// All of it, as NAME=VALUE.
    package static var all: [String] {
        var entries: [String] = []
        var entry = environ
        while let text = entry.pointee {
            entries.append(String(cString: text))
            entry += 1
        }
        return entries
    }
}
