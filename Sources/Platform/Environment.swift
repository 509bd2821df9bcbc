import Glibc

/// The environment variables of the process, read only.
package enum Environment {
    /// The value of a variable, or nil where it is unset. An empty value is a value.
    package static subscript(_ name: String) -> String? {
        guard let value = getenv(name) else { return nil }
        return String(cString: value)
    }
}
