"""Pictures with boxes around objects: COCO's JSON, Pascal VOC's XML, and tables (Parquet, Arrow).

A box is [left, top, right, bottom] in pixels, from the left upper corner of the picture. What serves all formats is in
`picture`; `opening` finds the format and the parts.
"""
