import Media

/// What a window holds: the picture as large as its aspect lets it, black beside it, and lines of text in a corner.
package struct WindowPainter {
    package var lines: [String] = []
    package var showsHUD = true
    /// The picture at the window's size, where that is another.
    private var scaled: Picture?

    package init() {}

    package mutating func paint(_ picture: Picture?, on surface: inout PixelSurface) {
        if let picture {
            let area = PictureArea(of: picture.width, picture.height, in: surface.width, surface.height)
            surface.fillOutside(x: area.x, y: area.y, width: area.width, height: area.height)
            surface.draw(fitted(picture, to: area), x: area.x, y: area.y)
        } else {
            surface.fillOutside(x: 0, y: 0, width: 0, height: 0)
        }
        if showsHUD, !lines.isEmpty { paintLines(on: &surface) }
    }

    private mutating func fitted(_ picture: Picture, to area: PictureArea) -> Picture {
        if picture.width == area.width, picture.height == area.height { return picture }
        var target = scaled.take() ?? Picture(width: area.width, height: area.height)
        if target.width != area.width || target.height != area.height { target = Picture(width: area.width, height: area.height) }
        picture.scale(into: &target)
        scaled = target
        return target
    }

    /// In the lower left corner: what is far away, and a test pattern's time code, are above.
    private func paintLines(on surface: inout PixelSurface) {
        let scale = Self.scale(width: surface.width), margin = 2 * scale, pitch = (BitmapFont.height + 1) * scale
        let longest = lines.map(\.utf8.count).max() ?? 0
        let height = lines.count * pitch + 2 * margin, top = max(0, surface.height - height)
        surface.darken(x: 0, y: top, width: longest * BitmapFont.width * scale + 2 * margin, height: height)
        for (index, line) in lines.enumerated() {
            surface.draw(line, x: margin, y: top + margin + index * pitch, scale: scale, colour: 0xFF_FFFF)
        }
    }

    /// Pixels of the window for a point of the font.
    static func scale(width: Int) -> Int { width < 400 ? 1 : width < 1200 ? 2 : max(3, width / 640) }
}
