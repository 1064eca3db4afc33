-- What results are explained from.

-- name: documents
SELECT "assetId", folded, words, confidence::float8 AS confidence
FROM immich_aio.document WHERE "assetId" = any(:ids)

-- name: lines
SELECT "assetId", text, x1, y1, x2, y2, x3, y3, x4, y4, "textScore"
FROM asset_ocr WHERE "assetId" = any(:ids) AND "isVisible" ORDER BY "assetId", ctid

-- name: lines @2.2
SELECT "assetId", text, x1, y1, x2, y2, x3, y3, x4, y4, "textScore"
FROM asset_ocr WHERE "assetId" = any(:ids) ORDER BY "assetId", ctid
