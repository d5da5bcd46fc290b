// SPDX-License-Identifier: Apache-2.0

internal import NIOHTTP1
internal import StraitProtocol

/// The files of the page that shows what happens (the folder of the same name, embedded in the program).
enum Dashboard {
    /// A file as it is sent.
    struct File: Sendable {
        let type: StaticString
        let plain: [UInt8]
        /// The same compressed, once.
        let compressed: [UInt8]?

        init(_ type: StaticString, _ plain: [UInt8]) {
            self.type = type
            self.plain = plain
            compressed = plain.withUnsafeBytes { Compressor.compress([$0], .gzip) }
        }
    }

    /// The page itself.
    static let index = "index.html"

    private static let script: StaticString = "text/javascript; charset=utf-8"

    /// The files by name.
    static let files: [String: File] = [
        index: File("text/html; charset=utf-8", PackageResources.index_html),
        "style.css": File("text/css; charset=utf-8", PackageResources.style_css),
        "icon.svg": File("image/svg+xml", PackageResources.icon_svg),
        "main.js": File(script, PackageResources.main_js),
        "stream.js": File(script, PackageResources.stream_js),
        "run.js": File(script, PackageResources.run_js),
        "recording.js": File(script, PackageResources.recording_js),
        "panel.js": File(script, PackageResources.panel_js),
        "view.js": File(script, PackageResources.view_js),
        "theme.js": File(script, PackageResources.theme_js),
        "canvas.js": File(script, PackageResources.canvas_js),
        "timeline.js": File(script, PackageResources.timeline_js),
        "charts.js": File(script, PackageResources.charts_js),
        "tables.js": File(script, PackageResources.tables_js),
        "details.js": File(script, PackageResources.details_js),
    ]

    /// Nothing comes from elsewhere, and nothing is evaluated.
    private static let policy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

    /// The reply to who asks for a file.
    ///
    /// - Parameter coding: how it is taken compressed; nil for not at all.
    static func reply(_ name: String, _ coding: ContentCoding?) -> HTTPReply {
        guard let file = files[name] else {
            return HTTPReply(.notFound, error: "the dashboard has no file '\(name.prefix(40))'")
        }
        return reply(file, coding)
    }

    /// The reply with a file.
    static func reply(_ file: File, _ coding: ContentCoding?) -> HTTPReply {
        var reply = HTTPReply.ok(file.plain)
        reply.contentType = file.type
        reply.headers = [
            ("Content-Security-Policy", policy), ("X-Content-Type-Options", "nosniff"),
            ("Referrer-Policy", "no-referrer"), ("Cache-Control", "no-cache"), ("Vary", "Accept-Encoding"),
        ]
        if coding == .gzip, let compressed = file.compressed {
            reply.json = compressed
            reply.headers.append(("Content-Encoding", "gzip"))
        }
        return reply
    }
}
