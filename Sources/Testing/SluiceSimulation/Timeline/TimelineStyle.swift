// SPDX-License-Identifier: Apache-2.0

/// What a timeline looks like, on a light ground and on a dark one.
enum TimelineStyle {
    static let sheet = """
        <style>
        svg { max-width: 960px; }
        text { font: 14px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1d2329; }
        .ground { fill: #ffffff; }
        .head { font-size: 17px; font-weight: 700; }
        .name { font-size: 15px; font-weight: 700; }
        .note, .tick { fill: #55606b; }
        .tick { font-size: 13px; }
        .end { text-anchor: end; }
        .middle { text-anchor: middle; }
        .grid { stroke: #d9dee3; stroke-width: 1; }
        .axis { stroke: #8a949e; stroke-width: 1; }
        .outage { fill: #6b7680; fill-opacity: 0.16; }
        .good { fill: #56a985; }
        .failed { fill: #c8402a; }
        .rejected { fill: #eab13c; }
        .requests { fill: none; stroke: #1f4e9c; stroke-width: 2; stroke-linejoin: round; }
        .mean { fill: none; stroke: #7b3fa8; stroke-width: 2; stroke-linejoin: round; }
        .p99 { fill: none; stroke: #7b3fa8; stroke-width: 1.5; stroke-dasharray: 4 3; stroke-linejoin: round; }
        .limit { fill: none; stroke: #0d7a86; stroke-width: 2; }
        .closed { fill: #56a985; }
        .probing { fill: #eab13c; }
        .opened { fill: #c8402a; }
        @media (prefers-color-scheme: dark) {
        text { fill: #e8ecef; }
        .ground { fill: #14181c; }
        .note, .tick { fill: #aab4bd; }
        .grid { stroke: #2e353c; }
        .axis { stroke: #79848e; }
        .outage { fill: #c3ccd4; fill-opacity: 0.2; }
        .good, .closed { fill: #3f8f6d; }
        .failed, .opened { fill: #e2604a; }
        .rejected, .probing { fill: #d9a02e; }
        .requests { stroke: #9cc2ff; }
        .mean, .p99 { stroke: #cfa3f2; }
        .limit { stroke: #5fd0dc; }
        }
        </style>

        """
}
