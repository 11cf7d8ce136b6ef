import Media

/// What a window holds: the picture as large as its aspect lets it, black beside it, and lines of text in its corner.
struct WindowPainter {
    var lines: [String] = []
    var showsHUD = true
    /// The picture at the window's size, where that is another.
    private var scaled: Picture?

    mutating func paint(_ picture: Picture?, on surface: inout PixelSurface) {
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

    private func paintLines(on surface: inout PixelSurface) {
        let scale = Self.scale(width: surface.width), margin = 2 * scale
        let longest = lines.map(\.count).max() ?? 0
        surface.darken(
            x: 0, y: 0, width: longest * BitmapFont.width * scale + 2 * margin, height: lines.count * BitmapFont.height * scale + 2 * margin
        )
        for (index, line) in lines.enumerated() {
            surface.draw(line, x: margin, y: margin + index * BitmapFont.height * scale, scale: scale, colour: 0xFF_FFFF)
        }
    }

    /// Pixels of the window for a point of the font.
    static func scale(width: Int) -> Int { width < 600 ? 1 : width < 1200 ? 2 : max(3, width / 640) }
}
