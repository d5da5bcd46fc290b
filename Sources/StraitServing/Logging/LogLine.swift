// SPDX-License-Identifier: Apache-2.0

/// A line of the log: text for people, and for programs what happened, with its particulars.
///
/// A text alone is a line, too: of a warning, if it begins with `warning:`.
package struct LogLine: Sendable, Hashable, ExpressibleByStringInterpolation {
    /// What happens in a server's life that others act on.
    package enum Event: String, Sendable, Hashable, CaseIterable {
        /// The process has begun.
        case started
        /// It takes requests.
        case ready
        /// A model takes requests.
        case modelReady = "model_ready"
        /// A model cannot be served.
        case modelUnavailable = "model_unavailable"
        /// A model was taken out of service, and its memory freed.
        case modelUnloaded = "model_unloaded"
        /// A device was taken out of service.
        case deviceLost = "device_lost"
        /// A device serves again.
        case deviceReturned = "device_returned"
        /// Settings were changed over the network.
        case settingsChanged = "settings_changed"
        /// No more requests are taken.
        case draining
        /// The process ends.
        case stopped
    }

    /// How bad it is.
    package enum Kind: Sendable, Hashable { case info, warning, error }

    /// How bad it is.
    package var kind: Kind
    /// What happened, where it is one of those that others act on.
    package var event: Event?
    /// For people.
    package var text: String
    /// The particulars, for programs.
    package var fields: [Field]

    /// One particular.
    package struct Field: Sendable, Hashable {
        package let name: String
        package let value: String
    }

    /// A line about an event.
    package init(_ event: Event, _ text: String, kind: Kind = .info, _ fields: KeyValuePairs<String, String> = [:]) {
        self.kind = kind
        self.event = event
        self.text = text
        self.fields = fields.map { Field(name: $0.key, value: $0.value) }
    }

    /// A line of text.
    package init(_ text: String) {
        kind = text.drop { $0 == " " }.hasPrefix(Self.warningPrefix) ? .warning : .info
        event = nil
        self.text = text
        fields = []
    }

    /// The same, as a part of what is told above it.
    package var indented: LogLine {
        var line = self
        line.text = "  " + text
        return line
    }

    package init(stringLiteral text: String) { self.init(text) }

    /// How the text of a warning begins.
    static let warningPrefix = "warning:"
}
