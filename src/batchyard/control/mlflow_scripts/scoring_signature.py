"""Fits tables and pictures to a model's signature; values are cast to its types where that loses nothing."""

from scoring_inputs import InputSchema

_NUMBERS = {"integer": "int32", "long": "int64", "float": "float32", "double": "float64"}
_CHANNELS = {1: "L", 3: "RGB", 4: "RGBA"}
_MOST_NAMED = 20


def texts(inputs):
    """Name the columns that must be read as they are written: 007 is no number where the model wants text."""
    if inputs is None or inputs.is_tensor_spec():
        return []
    return [spec.name for spec in inputs if spec.name is not None and _kind(spec) in ("string", "datetime")]


def fitted(frame, inputs, *, is_text):
    """Give what `predict` takes: a table of the signature's columns and types, or tensors.

    inputs: the signature's, or None. is_text: whether the file's numbers were written as text. Raises: InputSchema.
    """
    if inputs is None:
        return frame
    specs = list(inputs)
    if inputs.is_tensor_spec():
        return _tensors(frame, specs, is_text)
    if any(spec.name is None for spec in specs):
        if len(frame.columns) < len(specs):
            raise InputSchema("has {} columns, the signature asks for {}".format(len(frame.columns), len(specs)))
        return frame.iloc[:, : len(specs)].assign(
            **{str(name): _cast(frame[name], name, _kind(spec), is_text) for name, spec in zip(frame.columns, specs)}
        )
    _refuse_missing(frame, [spec for spec in specs if getattr(spec, "required", True)])
    wanted = [spec for spec in specs if spec.name in frame.columns]
    return type(frame)({spec.name: _cast(frame[spec.name], spec.name, _kind(spec), is_text) for spec in wanted})


def _refuse_missing(frame, specs):
    missing = ["{!r} ({})".format(spec.name, _kind(spec)) for spec in specs if spec.name not in frame.columns]
    if missing:
        have = ", ".join(repr(name) for name in list(frame.columns)[:_MOST_NAMED])
        which = "column {} is".format(missing[0]) if len(missing) == 1 else "columns {} are".format(", ".join(missing))
        raise InputSchema("{} missing; the file has {}".format(which, have))


def _kind(spec):
    return getattr(spec.type, "name", None) or str(spec.type)


def _tensors(frame, specs, is_text):
    import numpy

    if any(spec.name is None or spec.name not in frame.columns for spec in specs):
        if len(specs) > 1:
            _refuse_missing(frame, specs)
        spec = specs[0]
        cast = [_number(frame[name], name, spec.type, _kind(spec), is_text) for name in frame.columns]
        array, inner = numpy.stack([column.to_numpy() for column in cast], axis=1), tuple(spec.shape[1:])
        if array.shape[1:] != inner and -1 not in inner:
            if int(numpy.prod(inner)) != array.shape[1]:
                raise InputSchema("has {} columns, the signature's tensor is {}".format(array.shape[1], spec.shape))
            array = array.reshape((len(array), *inner))
        return array if spec.name is None else {spec.name: array}
    found = {}
    for spec in specs:
        column = _number(frame[spec.name], spec.name, spec.type, _kind(spec), is_text).to_numpy()
        found[spec.name] = column.reshape((len(frame), 1)) if len(spec.shape) == 2 else column
    return found


def _cast(values, name, kind, is_text):
    """Give a column as a type of the signature, unchanged where MLflow itself judges it."""
    if hasattr(values, "cat"):
        values = values.astype(values.cat.categories.dtype)
    if kind in _NUMBERS:
        return _number(values, name, _NUMBERS[kind], kind, is_text)
    if kind == "boolean" and values.dtype != bool:
        _refuse(values, values.notna() & ~values.isin([0, 1]), name, kind)
        return values.astype(bool) if values.notna().all() else values.map({0: False, 1: True}).astype(object)
    if kind == "string":
        _refuse(values, values.notna() & ~values.map(lambda value: isinstance(value, str)).astype(bool), name, kind)
    if kind == "datetime" and is_text:
        import pandas

        # Any other order of day and month would be a guess; pandas before 2 cannot be told so.
        how = {} if pandas.__version__.startswith(("0.", "1.")) else {"format": "ISO8601"}
        dates = pandas.to_datetime(values, errors="coerce", **how)
        _refuse(values, dates.isna() & values.notna(), name, kind)
        return dates
    return values


def _number(values, name, dtype, kind, is_text):
    """Give a column as numbers of a type. Refused are values that would become others; decimals in a file of text are
    what they are nearest to."""
    import numpy
    import pandas

    wanted = numpy.dtype(dtype)
    if values.dtype == wanted or wanted.kind not in "iuf":
        return values
    if values.dtype == bool:
        raise InputSchema("column {!r} is {}, the signature asks for {}".format(name, values.dtype, kind))
    if getattr(values.dtype, "kind", "O") not in "iuf" or not isinstance(values.dtype, numpy.dtype):
        numbers = pandas.to_numeric(values.astype(object), errors="coerce")
        others = (bool,) if is_text else (bool, str)
        is_other = values.map(lambda value: isinstance(value, others)).astype(bool)
        _refuse(values, is_other | numbers.isna() & values.notna(), name, kind)
        values = numbers.astype("float64") if numbers.dtype == object or numbers.isna().any() else numbers
    with numpy.errstate(all="ignore"):
        if wanted.kind == "f":
            cast = values.astype(wanted)
            is_near = is_text and values.dtype.kind == "f"
            lost = numpy.isinf(cast) & ~numpy.isinf(values) if is_near else cast.astype(values.dtype) != values
            _refuse(values, lost & values.notna(), name, kind)
            return cast
        limits = numpy.iinfo(wanted)
        lost = values.isna() | (values < limits.min) | (values > limits.max) | (values % 1 != 0)
        _refuse(values, lost, name, kind)
        return values.astype(wanted)


def _refuse(values, is_wrong, name, kind):
    """Raise for the first wrong value. Raises: InputSchema naming column, row and value."""
    if is_wrong.any():
        row = int(is_wrong.to_numpy().argmax())
        value = values.iloc[row]
        found = "nothing" if value != value or value is None else repr(getattr(value, "item", lambda: value)())
        more = int(is_wrong.sum()) - 1
        others = "" if not more else ", and {} {} more".format(more, "row" if more == 1 else "rows")
        told = "column {!r}, row {}: {} cannot be made {} without loss{}"
        raise InputSchema(told.format(name, row, found, kind, others))


# Pictures -----------------------------------------------------------------------------------------------------------


def fitted_picture(image, inputs):
    """Give a picture's pixels, as the one of a batch where the signature asks for a tensor. Raises: InputSchema."""
    import numpy

    if inputs is None or not inputs.is_tensor_spec():
        return numpy.asarray(image)
    spec = next(iter(inputs))
    shape = tuple(spec.shape)
    pixels = _shaped(numpy.asarray(_in_channels(image, shape)), shape)
    found = pixels.astype(spec.type)
    if (found != pixels).any():
        raise InputSchema("is a picture of {}, which cannot be made {} without loss".format(pixels.dtype, spec.type))
    return found if spec.name is None else {spec.name: found}


def _in_channels(image, shape):
    """Give the picture with as many channels as the tensor has, where that loses nothing; else as it is."""
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    wanted = ""
    if len(shape) == 4:
        size = (image.height, image.width)
        for sides, channels in ((shape[1:3], shape[3]), (shape[2:4], shape[1])):
            if not wanted and all(side in (-1, have) for side, have in zip(sides, size)):
                wanted = _CHANNELS.get(channels, "")
    is_wider = (image.mode, wanted) in (("L", "RGB"), ("L", "RGBA"), ("RGB", "RGBA"), ("1", "L"), ("1", "RGB"))
    return image.convert(wanted) if is_wider else image


def _shaped(pixels, shape):
    """Give the pixels as a batch of one, channels where the shape has them."""
    channels_first = pixels.transpose(2, 0, 1)[None] if pixels.ndim == 3 else pixels[None, None]
    for batch in (pixels[None], channels_first, pixels[None, ..., None]):
        if batch.ndim == len(shape) and all(side in (-1, have) for side, have in zip(shape, batch.shape)):
            return batch
    inner = 1
    for side in shape[1:]:
        inner *= side
    if -1 in shape[1:] or inner != pixels.size:
        raise InputSchema("is a picture of {}, the signature's tensor is {}".format(pixels.shape, shape))
    return pixels.reshape((1, *shape[1:]))
