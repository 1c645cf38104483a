/// The limits of a request and of one event in it (P 6.1), and what no verb may name (P 6.3).
package struct WireLimits: Hashable, Sendable {
    /// The most bytes of a body, inflated.
    package var bodyBytes = 10 * 1024 * 1024
    /// The most records of one request.
    package var recordsPerRequest = 2000
    /// The length from which on an event, or an update of a profile, is too long, in bytes of its JSON as sent.
    package var eventBytes = 1024 * 1024
    /// The number of properties from which on an event has too many; a key sent twice counts twice.
    package var properties = 255
    /// The number of keys from which on a nested object has too many.
    package var nestedKeys = 255
    /// The number of elements from which on an array has too many.
    package var arrayElements = 255
    /// The most objects and arrays inside one another, below `properties` or an operator of a profile update.
    package var nestingDepth = 64
    /// The same for an event of a strict /import.
    package var strictNestingDepth = 3
    /// The most bytes of an event's name.
    package var eventNameBytes = 255
    /// The most bytes of `$insert_id`.
    package var insertIDBytes = 36
    /// The texts that no verb may name.
    package var reservedIDs = ReservedIDs.standard
    /// The length that a property's text is cut to, in unicode scalars; ids are never cut.
    package var textScalars = 255

    /// The most properties that one operator of a profile update may name; a name sent twice counts twice.
    package var updatedProperties = 2000
    /// The longest name of a profile's property, in unicode scalars.
    package var profileNameScalars = 255

    /// The limits of P 6.1.
    package init() {}

    /// What the reader of a strict /import keeps to.
    var ofStrictImport: WireLimits {
        var limits = self
        limits.nestingDepth = strictNestingDepth
        return limits
    }

    /// What the reader of a profile update keeps to: lists are bounded by the size of the update alone.
    var ofUpdates: WireLimits {
        var limits = self
        limits.properties = updatedProperties + 1
        limits.arrayElements = .max
        return limits
    }
}
